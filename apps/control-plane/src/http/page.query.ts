import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import type { Page } from '#contracts';
import { following } from './by-name.js';
import { readNamePattern } from './name-pattern.js';
import { invalidField } from './problem.error.js';

/** Paging of every list: `?limit=100&cursor=…`. */
export class PageQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: 1000, default: 100 })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1000)
  limit: number = 100;

  @ApiPropertyOptional({ description: '`next` of the page before' })
  @IsOptional()
  @IsString()
  @MaxLength(1024)
  cursor?: string;
}

/** A cursor is the last name of a page, in base64url: opaque to callers, stable under writes. */
export function encodeCursor(name: string): string {
  return Buffer.from(name, 'utf8').toString('base64url');
}

/** The name in a cursor; throws 400 where it holds none. */
export function decodeCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const name = Buffer.from(cursor, 'base64url').toString('utf8');
  if (name.length > 0 && /^[\x20-\x7e]{1,300}$/.test(name)) return name;
  throw invalidField(
    'cursor',
    cursor,
    'is not a cursor of this list',
    'send `next` of the page before',
  );
}

/**
 * One page of those of `sorted` (by name, ascending) after the cursor that are named so and wanted; goes no further than to
 * its end, and looks at those alone that begin as the name does.
 */
export function pageOf<T extends { readonly name: string }, V>(
  sorted: readonly T[],
  query: PageQuery & { readonly name?: string },
  revision: string,
  view: (item: T) => V,
  isWanted: (item: T) => boolean = () => true,
): Page<V> {
  const found: T[] = [];
  const { prefix, matches } = readNamePattern(query.name);
  for (const item of following(sorted, decodeCursor(query.cursor), prefix)) {
    if (matches(item.name) && isWanted(item)) found.push(item);
    if (found.length > query.limit) break;
  }
  const items = found.slice(0, query.limit);
  const last = items.at(-1);
  const more = last !== undefined && found.length > items.length;
  return { items: items.map(view), next: more ? encodeCursor(last.name) : undefined, revision };
}
