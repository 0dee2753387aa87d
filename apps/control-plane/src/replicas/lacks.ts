import { createHash } from 'node:crypto';

/** How much of etcd a replica cannot read. */
export interface Lacks {
  /** Records of which it knows nothing: of others it has what they were before. */
  readonly missing: number;
  readonly unreadable: number;
  /** The newest of what it has of these: of two that read on for a different time one has what is older. */
  readonly newest: bigint;
  /** The same of two that lack the same, and have the same instead. */
  readonly which: string;
}

/** Reads everything. */
export const LACKS_NOTHING: Lacks = { missing: 0, unreadable: 0, newest: 0n, which: '' };

/** A replica and what it lacks. */
export interface Lacking {
  readonly id: string;
  readonly lacks: Lacks;
}

/** Of these keys, each with the revision of what is known of it; undefined where nothing is. */
export function lacksOf(unreadable: ReadonlyMap<string, bigint | undefined>): Lacks {
  if (unreadable.size === 0) return LACKS_NOTHING;
  const held = [...unreadable].map(([key, revision]) => `${key} ${revision ?? ''}`).toSorted();
  const which = createHash('sha256').update(JSON.stringify(held)).digest('hex').slice(0, 16);
  const known = [...unreadable.values()].filter((revision) => revision !== undefined);
  const newest = known.reduce((most, each) => (each > most ? each : most), 0n);
  return { missing: unreadable.size - known.length, unreadable: unreadable.size, newest, which };
}

/** As a replica says it to others; nothing where it lacks nothing. */
export function lacksText({ missing, unreadable, newest, which }: Lacks): string {
  return unreadable > 0 ? [missing, unreadable, newest, which].join('.') : '';
}

const TEXT = /^(\d{1,9})\.(\d{1,9})\.(\d{1,19})\.([0-9a-f]{16})$/;

/** The reverse; what is not understood lacks nothing. */
export function parseLacks(text = ''): Lacks {
  const [, missing, unreadable, newest = '', which] = TEXT.exec(text) ?? [];
  if (which === undefined) return LACKS_NOTHING;
  return {
    missing: Number(missing),
    unreadable: Number(unreadable),
    newest: BigInt(newest),
    which,
  };
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
  const [one, other] = [a.lacks, b.lacks];
  const less = one.missing - other.missing || one.unreadable - other.unreadable;
  if (less !== 0) return less;
  if (one.newest !== other.newest) return one.newest > other.newest ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}
