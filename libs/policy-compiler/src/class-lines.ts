/**
 * What a profile says about paths: one function for both classes of paths, process (the permission x) and file.
 *
 * Without a conflict nothing needs an order: the base allows, `deny` takes away, and any Block that matches decides.
 * Priorities come in only where an Allow must hold against a weaker Block, or must silence an audited base; then every
 * entry of the class has one. The parser (4.1) applies them to each permission by itself, which `apps/compiler` proves
 * before it says that the host has them.
 */
import { conflicts, sharedWho, swallows } from './conflicts.js';
import { EXEC } from './names.js';
import { intersection } from './objects.js';
import type { Placed } from './rule-entries.js';

import type { AllowList, Who } from './types.js';

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

export interface ClassLines {
  readonly lines: readonly Line[];
  /** Greater than every priority in use; 0 when none is. */
  readonly top: number;
}

/** Lines of one class in one variant of a profile. */
export function classLines(paths: PathClass, mode: Mode, hasPriority: boolean): ClassLines {
  if (mode === 'open') return { lines: [base(paths, false)], top: 0 };
  const posture = postureOf(paths.list, mode);
  const pairs = conflicts(paths.entries);
  const ordered = hasPriority && (pairs.length > 0 || posture === 'audit');
  const order = ordered ? priorities(paths.entries) : new Map<number, number>();
  const writer = new Writer(paths, mode, order);
  const gone = new Set(
    ordered ? [] : pairs.filter(({ allow, deny }) => swallows(allow, deny)).map(({ deny }) => deny),
  );
  return {
    lines: [
      ...(posture === 'block' ? [] : [base(paths, posture === 'audit')]),
      ...writer.denials(paths.entries.filter((entry) => !gone.has(entry))),
      ...(ordered || posture === 'block' ? writer.allows(paths.entries) : []),
      ...writer.audits(paths.entries, posture === 'block', ordered),
    ],
    top: order.size === 0 ? 0 : order.size + 1,
  };
}

/** What becomes of a path that no rule names; undefined: permitted without a record. */
function postureOf(list: AllowList | undefined, mode: Mode): AllowList['posture'] | undefined {
  if (list === undefined || list.silent) return undefined;
  return mode === 'audit' ? 'audit' : list.posture;
}

/** The root directory is a file of its own: `/**` does not match it. */
function base(paths: PathClass, audited: boolean): Line {
  const audit = audited ? 'audit ' : '';
  const text = paths.name === 'process' ? `/** ${EXEC},` : `"/{,**}" rwlkm,`;
  return { text: audit + text };
}

/** Priority by rank, from 1 without gaps. */
function priorities(entries: readonly Placed[]): Map<number, number> {
  const ranks = entries.filter(({ effect }) => effect !== 'audit').map(({ rank }) => rank);
  const sorted = [...new Set(ranks)].sort((a, b) => a - b);
  return new Map(sorted.map((rank, at) => [rank, at + 1]));
}

class Writer {
  constructor(
    private readonly paths: PathClass,
    private readonly mode: Mode,
    private readonly order: ReadonlyMap<number, number>,
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
  audits(entries: readonly Placed[], withoutBase: boolean, ordered: boolean): readonly Line[] {
    const watched = entries.filter(({ effect }) => effect === 'audit');
    const allows = ordered || withoutBase ? entries.filter(({ effect }) => effect === 'allow') : [];
    return watched.flatMap((entry) => [
      ...(withoutBase ? [] : [this.line(entry, 'audit')]),
      ...allows.flatMap((allow) => this.watchedPart(entry, allow)),
    ]);
  }

  private watchedPart(watched: Placed, allow: Placed): readonly Line[] {
    const who = sharedWho(watched.who, allow.who);
    const perms = [...watched.perms].filter((perm) => allow.perms.includes(perm)).join('');
    const globs = intersection(watched.object, allow.object) ?? [];
    if (who === undefined || perms === '') return [];
    return globs.map((glob) => this.line({ ...watched, who, perms, glob }, 'audit', allow.rank));
  }

  private line(entry: Placed, qualifier: string, rank?: number): Line {
    const priority = rank === undefined ? undefined : this.order.get(rank);
    const words = [
      ...(priority === undefined ? [] : [`priority=${priority}`]),
      ...(qualifier === '' ? [] : [qualifier]),
      ...whoWords(entry.who, qualifier),
      `"${entry.glob}"`,
      this.permission(entry, qualifier),
    ];
    return { text: `${words.join(' ')},`, rule: entry.rule };
  }

  private permission({ perms }: Placed, qualifier: string): string {
    if (this.paths.name === 'file') return perms;
    return qualifier.endsWith('deny') ? 'x' : EXEC;
  }
}

/** `other` is read only after an access word. */
function whoWords(who: Who, qualifier: string): readonly string[] {
  if (who === 'any') return [];
  return who === 'other' && !qualifier.endsWith('deny') ? ['allow', 'other'] : [who];
}
