import { type Glob, type GlobToken, GlobError, parseGlob, printGlob } from '../resolve/glob.js';
import type { EntrySet, PathEntry } from '../plan/types.js';

/** Letters of directories above: of patterns, which may be moved where the same patterns hold, and of exact paths. */
export const ABOVE = 'a';
const OVER = 'o';
const SLASH: GlobToken = { type: 'text', text: '/' };

/**
 * A set, and entries for the directories above what it blocks: moving one of them, or mounting over it, counts as
 * writing what is blocked (D7). No Allow takes that back: it may speak of other objects below than the Block.
 * Of entries with the same directory only the one that decides is kept.
 */
export function withAncestors(set: EntrySet): EntrySet {
  const above = new Map<string, PathEntry>();
  for (const entry of set.paths.filter(({ effect, perms }) => effect === 'deny' && perms !== 'q')) {
    for (const { glob, perms } of ancestorsOf(entry.glob)) {
      const known = above.get(glob);
      if (known === undefined || decidesBefore(entry, known)) {
        const { rule, effect, rank } = entry;
        above.set(glob, { rule, effect, rank, glob, perms, who: 'any' });
      }
    }
  }
  return above.size === 0 ? set : { ...set, paths: [...set.paths, ...above.values()] };
}

function decidesBefore(a: PathEntry, b: PathEntry): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.rule < b.rule);
}

function ancestorsOf(source: string): readonly { glob: string; perms: string }[] {
  return prefixes([], parsed(source)).flatMap((prefix) => {
    const glob = printGlob(prefix);
    if (isText(prefix)) return [{ glob, perms: OVER }];
    return isHeld(prefix) ? [{ glob, perms: ABOVE }] : [];
  });
}

/** Nothing for what is no glob: it is refused where it is compiled itself. */
function parsed(source: string): Glob {
  try {
    return parseGlob(source);
  } catch (error) {
    if (error instanceof GlobError) return [];
    throw error;
  }
}

/**
 * What ends in each slash that the glob has or that a wildcard of it may stand for. Not in a `**` at the very end: what
 * that matches below a directory, it matches as the directory itself.
 */
function prefixes(before: Glob, glob: Glob, isEnd = true): readonly Glob[] {
  return glob.flatMap((token, at) => {
    const path = [...before, ...glob.slice(0, at)];
    const isLast = isEnd && at === glob.length - 1;
    switch (token.type) {
      case 'text':
        return textPrefixes(path, token.text);
      case 'group':
        return token.alternatives.flatMap((one) => prefixes(path, one, isLast));
      case 'globstar':
        return isLast ? [] : [[...path, token, SLASH]];
      case 'class':
        return token.negated ? [[...path, SLASH]] : [];
      case 'star':
      case 'any':
        return [];
    }
  });
}

function textPrefixes(before: Glob, text: string): readonly Glob[] {
  return [...text.matchAll(/\//g)].map(({ index }) => [
    ...before,
    { type: 'text', text: text.slice(0, index + 1) },
  ]);
}

/**
 * Whether moving such a directory may take something out of the rule's reach. What begins with any directories at all
 * is the same below another; and directories between two `**` would need automata as large as those of the patterns.
 */
function isHeld(prefix: Glob): boolean {
  return printGlob(prefix) !== '/**/' && prefix.reduce(countGlobstars, 0) <= 1;
}

function countGlobstars(sum: number, token: GlobToken): number {
  if (token.type === 'globstar') return sum + 1;
  return token.type === 'group'
    ? sum + Math.max(0, ...token.alternatives.map((one) => one.reduce(countGlobstars, 0)))
    : sum;
}

function isText(prefix: Glob): boolean {
  return prefix.every(({ type }) => type === 'text');
}
