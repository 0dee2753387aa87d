/**
 * What a profile says about paths: one function for both classes of paths, process (the permission x) and file.
 *
 * Without a conflict nothing needs an order: the base allows, `deny` takes away, and any Block that matches decides.
 * Priorities come in only where an Allow must hold against a weaker Block, or must silence an audited base; then every
 * entry of the class has one. The parser (4.1) applies them to each permission by itself, which `apps/compiler` proves
 * before it says that the host has them.
 *
 * To each exec that it permits the parser adds mapping (m), at the exec's priority. But what decides on mapping is the
 * class of files, to which rules on programs give their part of it. So that class stands above all exec rules, where
 * those have priorities, and a list of files that blocks denies the mapping of what it does not name.
 */
import { conflicts, sharedWho, swallows } from '../plan/conflicts.js';
import { EXEC } from '../resolve/names.js';
import { intersection, mayOverlap } from '../resolve/objects.js';
import type { Placed } from '../plan/rule-entries.js';

import type { AllowList, Who } from '../plan/types.js';

export type Mode = 'enforce' | 'audit' | 'open';

export interface PathClass {
  readonly name: 'process' | 'file';
  readonly entries: readonly Placed[];
  readonly list?: AllowList;
}

export interface Line {
  readonly text: string;
  /** Index of the rule it is for, shown as a comment. */
  readonly rule?: number;
}

/** A rule that watches what no line says. */
interface Unwatched {
  readonly unwatched: number;
}

export interface ClassLines {
  readonly lines: readonly Line[];
  /** Greater than every priority in use; 0 when none is. */
  readonly top: number;
  /** Rules that watch, of which a part is not logged. */
  readonly unwatched: readonly number[];
}

/**
 * Lines of one class in one variant of a profile. `floor`: the greatest priority of what stands below all of its rules;
 * 0 where none is in use.
 */
export function classLines(
  paths: PathClass,
  mode: Mode,
  hasPriority: boolean,
  floor = 0,
): ClassLines {
  if (mode === 'open') return { lines: [base(paths)], top: 0, unwatched: [] };
  const posture = postureOf(paths.list, mode);
  const pairs = conflicts(paths.entries);
  const unmapped = hasPriority && paths.name === 'file' && posture === 'block';
  const covered = floor > 0 && paths.entries.some(({ effect }) => effect !== 'allow');
  const ordered = hasPriority && (pairs.length > 0 || posture === 'audit' || covered || unmapped);
  const order = ordered ? priorities(paths.entries, floor, pairs.length > 0) : NO_ORDER;
  const writer = new Writer(paths, mode, order, floor);
  const audits = writer.audits(paths.entries, posture === 'block', ordered);
  const gone = new Set(
    ordered ? [] : pairs.filter(({ allow, deny }) => swallows(allow, deny)).map(({ deny }) => deny),
  );
  return {
    lines: [
      ...(posture === 'block' ? [] : [base(paths, posture === 'audit' ? floor : undefined)]),
      ...(unmapped ? [{ text: `${numbered(floor)}audit deny "/{,**}" m,` }] : []),
      ...writer.denials(paths.entries.filter((entry) => !gone.has(entry))),
      ...(ordered || posture === 'block' ? writer.allows(paths.entries) : []),
      ...audits.filter((line) => 'text' in line),
    ],
    top: order.size === 0 ? floor : Math.max(...order.values()) + 1,
    unwatched: audits.flatMap((one) => ('unwatched' in one ? one.unwatched : [])),
  };
}

/** What becomes of a path that no rule names; undefined: permitted without a record. */
function postureOf(list: AllowList | undefined, mode: Mode): AllowList['posture'] | undefined {
  if (list === undefined || list.silent) return undefined;
  return mode === 'audit' ? 'audit' : list.posture;
}

/** The root directory is a file of its own: `/**` does not match it. `audited`: its priority where it is logged. */
function base(paths: PathClass, audited?: number): Line {
  const audit = audited === undefined ? '' : `${numbered(audited)}audit `;
  const text = paths.name === 'process' ? `/** ${EXEC},` : `"/{,**}" rwlkm,`;
  return { text: audit + text };
}

const NO_ORDER: ReadonlyMap<number, number> = new Map();

/** Priority by rank, from the floor on without gaps; one for all where nothing need hold against what is weaker. */
function priorities(
  entries: readonly Placed[],
  floor: number,
  distinct: boolean,
): ReadonlyMap<number, number> {
  const ranks = entries.filter(({ effect }) => effect !== 'audit').map(({ rank }) => rank);
  const sorted = [...new Set(ranks)].sort((a, b) => a - b);
  return new Map(sorted.map((rank, at) => [rank, floor + 1 + (distinct ? at : 0)]));
}

function numbered(priority: number): string {
  return priority === 0 ? '' : `priority=${priority} `;
}

class Writer {
  constructor(
    private readonly paths: PathClass,
    private readonly mode: Mode,
    private readonly order: ReadonlyMap<number, number>,
    private readonly floor: number,
  ) {}

  /** In the audit variant what would be denied is permitted and logged, at the same place in the order. */
  denials(entries: readonly Placed[]): readonly Line[] {
    const denies = entries.filter(({ effect }) => effect === 'deny');
    if (this.mode === 'audit') return denies.map((entry) => this.line(entry, 'audit', entry.rank));
    return denies.map((entry) => this.line(entry, 'audit deny', entry.rank));
  }

  allows(entries: readonly Placed[]): readonly Line[] {
    return entries
      .filter(({ effect }) => effect === 'allow')
      .map((entry) => this.line(entry, '', entry.rank));
  }

  /** Audit never decides: it is written over the base, and again over each Allow that would hide it. */
  audits(
    entries: readonly Placed[],
    withoutBase: boolean,
    ordered: boolean,
  ): readonly (Line | Unwatched)[] {
    const watched = entries.filter(({ effect }) => effect === 'audit');
    const allows = ordered || withoutBase ? entries.filter(({ effect }) => effect === 'allow') : [];
    return watched.flatMap((entry) => [
      ...(withoutBase ? [] : [this.line(entry, 'audit')]),
      ...this.watchedParts(entry, allows, withoutBase),
    ]);
  }

  /** Each once: there may be as many Allows as what is watched. */
  private watchedParts(
    watched: Placed,
    allows: readonly Placed[],
    withoutBase: boolean,
  ): Iterable<Line | Unwatched> {
    const parts = new Map<string, Line | Unwatched>();
    const opened = this.openedFrom(watched);
    for (const allow of allows)
      for (const part of this.watchedPart(watched, allow, withoutBase ? undefined : opened))
        parts.set('text' in part ? part.text : '', part);
    return parts.values();
  }

  /** From which rank on an Allow of all that is watched would open something that is denied; found out once, if asked. */
  private openedFrom(watched: Placed): () => number {
    let rank: number | undefined;
    return () =>
      (rank ??= this.paths.entries.reduce(
        (least, { effect, rank: own, object }) =>
          effect === 'deny' && own < least && mayOverlap(object, watched.object) ? own : least,
        Infinity,
      ));
  }

  private watchedPart(
    watched: Placed,
    allow: Placed,
    openedFrom: (() => number) | undefined,
  ): readonly (Line | Unwatched)[] {
    const who = sharedWho(watched.who, allow.who);
    const perms = [...watched.perms].filter((perm) => allow.perms.includes(perm)).join('');
    if (who === undefined || perms === '') return [];
    const globs =
      intersection(watched.object, allow.object) ?? this.around(watched, allow, openedFrom);
    if (globs === undefined) return [{ unwatched: watched.rule }];
    return globs.map((glob) => this.line({ ...watched, who, perms, glob }, 'audit', allow.rank));
  }

  /**
   * What has at least all that both name, where no glob says just that: all that is watched, if nothing weaker than the
   * Allow is denied in it; else, of programs, all that is allowed. Of files that would be too much to log.
   */
  private around(
    watched: Placed,
    allow: Placed,
    openedFrom: (() => number) | undefined,
  ): readonly string[] | undefined {
    if (openedFrom !== undefined && openedFrom() >= allow.rank) return [watched.glob];
    return this.paths.name === 'process' ? [allow.glob] : undefined;
  }

  private line(entry: Placed, condition: string, rank?: number): Line {
    const priority = rank === undefined ? this.floor : (this.order.get(rank) ?? 0);
    const words = [
      ...(condition === '' ? [] : [condition]),
      ...whoWords(entry.who, condition),
      `"${entry.glob}"`,
      this.permission(entry, condition),
    ];
    return { text: `${numbered(priority)}${words.join(' ')},`, rule: entry.rule };
  }

  private permission({ perms }: Placed, condition: string): string {
    if (this.paths.name === 'file') return perms;
    return condition.endsWith('deny') ? 'x' : EXEC;
  }
}

/** `other` is read only after an access word. */
function whoWords(who: Who, condition: string): readonly string[] {
  if (who === 'any') return [];
  return who === 'other' && !condition.endsWith('deny') ? ['allow', 'other'] : [who];
}
