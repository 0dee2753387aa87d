import type { Glob, GlobToken } from './glob.js';

/**
 * Bound on patterns that multiply the states of the automaton: k patterns such as those with two `**` and text around
 * them need about 2^k states, measured with apparmor_parser 4.1: 8 take 0.1 s, 10 take 2.4 s, 12 more than 40 s.
 */
export const PATTERN_BUDGET = 8;

/**
 * How many of a pattern's wildcards make the automaton remember what was seen before them: those between texts, after
 * a first wildcard. `/home/**` + `/.ssh/id_*` has none and costs nothing, however many there are of it.
 */
export function patternWeight(glob: Glob): number {
  let loops = 0;
  let weight = 0;
  let text = '';
  let waiting = 0;
  for (const token of flat(glob)) {
    if (token.type === 'text') {
      weight += /[^/]/.test(token.text) ? waiting : 0;
      waiting = /[^/]/.test(token.text) ? 0 : waiting;
      text += token.text;
    } else if (token.type === 'star' || token.type === 'globstar') {
      const remembers = /[^/]/.test(text) && (token.type === 'globstar' || !text.includes('/'));
      waiting += loops > 0 && remembers ? 1 : 0;
      loops += 1;
      text = '';
    }
  }
  return weight;
}

function flat(glob: Glob): readonly GlobToken[] {
  return glob.flatMap((token) =>
    token.type === 'group' ? token.alternatives.flatMap(flat) : [token],
  );
}

/** Keeps the patterns that fit; those that could meet each other, by what they begin with, share one budget. */
export class PatternBudget {
  private readonly taken: { prefix: string; weight: number }[] = [];

  /** Whether the pattern still fits; if so it is counted. */
  take(prefix: string, weight: number): boolean {
    if (weight === 0) return true;
    const near = this.taken.filter(
      (one) => one.prefix.startsWith(prefix) || prefix.startsWith(one.prefix),
    );
    if (near.reduce((sum, one) => sum + one.weight, weight) > PATTERN_BUDGET) return false;
    this.taken.push({ prefix, weight });
    return true;
  }
}
