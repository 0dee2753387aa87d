import { covers, mayOverlap } from '../resolve/objects.js';
import type { Placed } from './rule-entries.js';
import type { PathEntry, Who } from './types.js';

export interface Conflict {
  readonly allow: Placed;
  readonly deny: Placed;
}

/** Pairs of an Allow and a weaker Block that may speak of one path. */
export function conflicts(entries: readonly Placed[]): readonly Conflict[] {
  const denies = entries.filter(({ effect }) => effect === 'deny');
  return entries
    .filter(({ effect }) => effect === 'allow')
    .flatMap((allow) =>
      denies.filter((deny) => isOverruled(deny, allow)).map((deny) => ({ allow, deny })),
    );
}

function isOverruled(deny: Placed, allow: Placed): boolean {
  return deny.rank < allow.rank && sharesPerms(deny, allow) && overlap(deny, allow);
}

/** Whether both may speak of one file to one task that both bind. */
export function overlap(a: Placed, b: Placed): boolean {
  return sharedWho(a.who, b.who) !== undefined && mayOverlap(a.object, b.object);
}

/**
 * Rules of one kind only: what a rule on programs says of mapping is no answer to one on files, nor the reverse
 * (denied-mappings.ts).
 */
function sharesPerms(a: Placed, b: Placed): boolean {
  if (isOnPrograms(a) !== isOnPrograms(b)) return false;
  return [...a.perms].some((perm) => b.perms.includes(perm));
}

/** Whether an entry is of a rule on programs; else it is of one on files. */
export function isOnPrograms({ perms, program }: Pick<PathEntry, 'perms' | 'program'>): boolean {
  return program === true || perms.includes('x');
}

/** Whom both entries concern; undefined for nobody. */
export function sharedWho(a: Who, b: Who): Who | undefined {
  if (a === 'any') return b;
  return b === 'any' || a === b ? a : undefined;
}

/** Whether an Allow leaves nothing of a Block, so that the Block need not be written at all. */
export function swallows(allow: Placed, deny: Placed): boolean {
  return (
    covers(allow.object, deny.object) &&
    [...deny.perms].every((perm) => allow.perms.includes(perm)) &&
    (allow.who === 'any' || allow.who === deny.who)
  );
}
