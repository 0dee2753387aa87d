import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, MaxLength } from 'class-validator';
import { selectsNode } from '#policy-model';
import { readSelector } from './read-selector.js';
import { PageQuery } from './page.query.js';

/** Paging and a label selector: `?selector=env=prod,tier in (web)`. */
export class ListQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'label selector' })
  @IsOptional()
  @IsString()
  @MaxLength(2_000)
  selector?: string;
}

/** The items whose labels the selector of the query holds for; all without one. An empty one is none: 400. */
export function selectedBy<T extends { readonly name: string }>(
  query: ListQuery,
  items: readonly T[],
  labelsOf: (item: T) => Readonly<Record<string, string>>,
): readonly T[] {
  if (query.selector === undefined) return items;
  const selector = readSelector(query.selector, 'selector');
  return items.filter((item) =>
    selectsNode(selector, { name: item.name, labels: labelsOf(item) }, new Map()),
  );
}
