import { type Glob, type GlobToken, isMember } from './glob.js';

/**
 * Bound on patterns that multiply the states of the automaton: k patterns such as those with two `**` and text around
 * them need about 2^k states, measured with apparmor_parser 4.1: 8 take 0.1 s, 10 take 2.4 s, 12 more than 40 s.
 */
const PATTERN_BUDGET = 8;
/** What doubles the states by a window takes of it: 2^10 states take 0.03 s, 2^14 take 1 s and 2^16 10 s. */
const WINDOW_SHARE = PATTERN_BUDGET / 10;

/** Why a pattern is not written for AppArmor. */
export const BEYOND_BUDGET = `with the others that it may meet, the pattern is beyond the budget of ${PATTERN_BUDGET} wildcards between texts, or ${PATTERN_BUDGET + 1} single bytes behind one, past which the parser of AppArmor takes minutes`;

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
    if (token.type === 'text' || token.type === 'class') {
      const own = token.type === 'text' ? token.text : IN_BRACKETS;
      weight += /[^/]/.test(own) ? waiting : 0;
      waiting = /[^/]/.test(own) ? 0 : waiting;
      text += own;
    } else if (token.type === 'star' || token.type === 'globstar') {
      const remembers = /[^/]/.test(text) && (token.type === 'globstar' || !text.includes('/'));
      waiting += loops > 0 && remembers ? 1 : 0;
      loops += 1;
      text = '';
    }
  }
  return weight;
}

/** Brackets tell as much as a text does: whatever they admit, it is not any byte. */
const IN_BRACKETS = 'x';

function flat(glob: Glob): readonly GlobToken[] {
  return glob.flatMap((token) =>
    token.type === 'group' ? token.alternatives.flatMap(flat) : [token],
  );
}

/**
 * How many single bytes a pattern takes as they come, behind a text after a star, while that text may begin anew in
 * them: of `/**a??` each of the last three bytes may have been the `a`. A slash is never in a `?`.
 */
function patternWindow(glob: Glob): number {
  let most = 0;
  let window: Window = { open: false, firsts: '', slash: false, size: 0 };
  for (const token of glob) {
    if (token.type === 'text')
      window = { ...behind(window, token), slash: window.slash || token.text.includes('/') };
    else if (isStar(token)) window = { open: true, firsts: '', slash: false, size: 0 };
    else window = behind(window, token);
    most = Math.max(most, window.size);
  }
  return most;
}

/** What is known behind a star. */
interface Window {
  /** No text may have come yet. */
  readonly open: boolean;
  /** What the text may begin with. */
  readonly firsts: string;
  /** A slash must have come. */
  readonly slash: boolean;
  readonly size: number;
}

function behind(window: Window, token: GlobToken): Window {
  if (isStar(token)) return { ...window, open: true };
  if (token.type === 'group') return behindGroup(window, token.alternatives);
  const size = window.size + (token.type !== 'text' && mayBeginIn(token, window) ? 1 : 0);
  if (!window.open || token.type === 'any') return { ...window, size };
  const first = token.type === 'text' ? token.text.charAt(0) : admittedBy(token);
  return { ...window, open: false, firsts: window.firsts + first, size };
}

/** Choices in which the text may begin are so many single bytes as it takes bits to tell them apart. */
function behindGroup(window: Window, alternatives: readonly Glob[]): Window {
  const begins = flat(alternatives.flat()).some(
    (token) => token.type === 'text' && mayBeginIn(token, window),
  );
  const bits = begins ? Math.ceil(Math.log2(alternatives.length)) : 0;
  const each = alternatives.map((one) => one.reduce(behind, window));
  return {
    open: each.some(({ open }) => open),
    firsts: [...new Set(each.flatMap(({ firsts }) => [...firsts]))].join(''),
    slash: window.slash,
    size: Math.max(...each.map(({ size }) => size)) + bits,
  };
}

function isStar(token: GlobToken): token is Extract<GlobToken, { type: 'star' | 'globstar' }> {
  return token.type === 'star' || token.type === 'globstar';
}

type Bytes = Extract<GlobToken, { type: 'text' | 'any' | 'class' }>;

function mayBeginIn(token: Bytes, { firsts, slash }: Window): boolean {
  const admitted = admittedBy(token);
  return (
    [...firsts].some((first) => admitted.includes(first)) && (!slash || admitted.includes('/'))
  );
}

const ASCII = String.fromCharCode(...Array.from({ length: 127 }, (_, at) => at + 1));

/** Bytes that are in it, all beyond ASCII aside where it is no text. */
function admittedBy(token: Bytes): string {
  if (token.type === 'text') return token.text;
  const { members, negated } = token.type === 'any' ? { members: '/', negated: true } : token;
  return [...ASCII].filter((one) => isMember(members, one.charCodeAt(0)) !== negated).join('');
}

interface Taken {
  readonly prefix: string;
  readonly weight: number;
  readonly window: number;
}

/** Keeps the patterns that fit; those that could meet each other, by what they begin with, share one budget. */
export class PatternBudget {
  private readonly taken: Taken[] = [];

  /** Whether the pattern still fits; if so it is counted. */
  take(prefix: string, glob: Glob): boolean {
    const wanted = { prefix, weight: patternWeight(glob), window: patternWindow(glob) };
    if (wanted.weight === 0 && wanted.window === 0) return true;
    const near = this.taken.filter(
      (one) => one.prefix.startsWith(prefix) || prefix.startsWith(one.prefix),
    );
    if (costOf([...near, wanted]) > PATTERN_BUDGET) return false;
    this.taken.push(wanted);
    return true;
  }
}

function costOf(patterns: readonly Taken[]): number {
  const weight = patterns.reduce((sum, one) => sum + one.weight, 0);
  return weight + WINDOW_SHARE * doublings(patterns.map(({ window }) => window).filter(Boolean));
}

/** Each byte of a window may be the first of any pattern whose window is as long, or of none. */
function doublings(windows: readonly number[]): number {
  const long = (at: number): number => windows.filter((window) => window >= at).length;
  let sum = 0;
  for (let at = 0; long(at) > 0; at++) sum += Math.log2(1 + long(at));
  return sum;
}
