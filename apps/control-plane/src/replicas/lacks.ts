import { createHash } from 'node:crypto';

/** How much of etcd a replica cannot read. */
export interface Lacks {
  /** Records of which it knows nothing: of others it has what they were before. */
  readonly missing: number;
  readonly unreadable: number;
  /** The same of two that lack the same. */
  readonly which: string;
}

/** Reads everything. */
export const LACKS_NOTHING: Lacks = { missing: 0, unreadable: 0, which: '' };

/** A replica and what it lacks. */
export interface Lacking {
  readonly id: string;
  readonly lacks: Lacks;
}

/** Of these keys, of some of which nothing is known. */
export function lacksOf(unreadable: readonly string[], missing: readonly string[]): Lacks {
  if (unreadable.length === 0) return LACKS_NOTHING;
  const keys = JSON.stringify([unreadable.toSorted(), missing.toSorted()]);
  const which = createHash('sha256').update(keys).digest('hex').slice(0, 16);
  return { missing: missing.length, unreadable: unreadable.length, which };
}

/** As a replica says it to others; nothing where it lacks nothing. */
export function lacksText({ missing, unreadable, which }: Lacks): string {
  return unreadable > 0 ? [missing, unreadable, which].join('.') : '';
}

/** The reverse; what is not understood lacks nothing. */
export function parseLacks(text = ''): Lacks {
  const [, missing, unreadable, which] = /^(\d{1,9})\.(\d{1,9})\.([0-9a-f]{16})$/.exec(text) ?? [];
  if (which === undefined) return LACKS_NOTHING;
  return { missing: Number(missing), unreadable: Number(unreadable), which };
}

/** Whether `other` knows more of the fleet than `one`. Of two that lack as much, but not the same, one has to. */
export function outranks(other: Lacking, one: Lacking): boolean {
  return compare(other, one) < 0;
}

/** Ids of those that divide the hosts: who lacks nothing; where all lack something, who lacks what the best of them does. */
export function ableOf(all: readonly Lacking[]): readonly string[] {
  const [best] = all.toSorted(compare);
  return all
    .filter(({ lacks }) => lacks.which === best?.lacks.which)
    .map(({ id }) => id)
    .toSorted();
}

function compare(a: Lacking, b: Lacking): number {
  if (a.lacks.which === b.lacks.which) return 0;
  const missing = a.lacks.missing - b.lacks.missing;
  return missing || a.lacks.unreadable - b.lacks.unreadable || (a.id < b.id ? -1 : 1);
}
