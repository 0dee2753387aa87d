import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, MaxLength } from 'class-validator';
import { selectsNode, type LabelSelector } from '#policy-model';
import { readSelector } from './read-selector.js';
import { PageQuery } from './page.query.js';

/** Paging, a label selector and a search by name: `?selector=env=prod,tier in (web)&name=web-*`. */
export class ListQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'label selector' })
  @IsOptional()
  @IsString()
  @MaxLength(2_000)
  selector?: string;

  @ApiPropertyOptional({
    description: 'names, `*` standing for any characters and `?` for one',
    example: 'web-*',
  })
  @IsOptional()
  @IsString()
  name?: string;
}

/** The selector of the query; undefined without one. An empty one is none: 400. */
export function selectorOf({ selector }: Pick<ListQuery, 'selector'>): LabelSelector | undefined {
  return selector === undefined ? undefined : readSelector(selector, 'selector');
}

/** Whether a selector holds for the labels of an item; without one it does. */
export function wantedBy<T extends { readonly name: string }>(
  selector: LabelSelector | undefined,
  labelsOf: (item: T) => Readonly<Record<string, string>>,
): (item: T) => boolean {
  if (selector === undefined) return () => true;
  return (item) => selectsNode(selector, { name: item.name, labels: labelsOf(item) }, new Map());
}
