import { type Glob, type GlobToken, literalPrefix } from '../resolve/glob.js';
import { patternWeight } from '../resolve/pattern-budget.js';
import { determinise, type SetAutomaton } from './determinise.js';
import { GlobGraph } from './glob-graph.js';

/** A glob with the number under which automata accept it. */
export interface NumberedGlob {
  readonly id: number;
  readonly glob: Glob;
  /** What a list opens besides (implied-entries.ts): it multiplies as little as a literal, and is not refused either. */
  readonly implied: boolean;
}

/** One automaton with its globs; `optional` ones hold patterns only, which can be refused. */
export interface Part extends SetAutomaton {
  readonly globs: readonly NumberedGlob[];
  readonly optional: boolean;
}

export interface Split {
  readonly parts: readonly Part[];
  /** Patterns that need more than the budget each for itself. */
  readonly tooLarge: readonly NumberedGlob[];
}

/**
 * Divides globs over automata. All in one where they do not multiply in it, which is walked fastest; else literals, which
 * cannot multiply, in one, names and patterns in as few more as a budget of states and transitions for each allows.
 */
export function splitGlobs(globs: readonly NumberedGlob[], slots: number): Split {
  const whole = part(globs, budgetOfWhole(globs, slots), false);
  if (whole !== undefined) return { parts: globs.length === 0 ? [] : [whole], tooLarge: [] };
  const stays = ({ glob, implied }: NumberedGlob): boolean => implied || isLiteral(glob);
  const literals = globs.filter(stays);
  const names = globs.filter(({ glob }) => isName(glob));
  const patterns = globs.filter((one) => !stays(one) && !isName(one.glob));
  const units = [...unit(literals), ...unit(names)];
  const packed = pack(patterns, slots);
  return { parts: joinNames(units, packed.parts, slots), tooLarge: packed.tooLarge };
}

/** Twice the text: what takes more has multiplied, and would soon take all. Few may; and none takes most of a table. */
function budgetOfWhole(globs: readonly NumberedGlob[], slots: number): number {
  return Math.min(slots * 4, Math.max(slots / 4, 2 * weightOf(globs)));
}

function unit(globs: readonly NumberedGlob[]): readonly Part[] {
  const made = globs.length === 0 ? undefined : part(globs, Infinity, false);
  return made === undefined ? [] : [made];
}

/** Names join the patterns where there are few of both. */
function joinNames(
  units: readonly Part[],
  patterns: readonly Part[],
  slots: number,
): readonly Part[] {
  const last = units.at(-1);
  const [first, ...rest] = patterns;
  if (last === undefined || first === undefined || !last.globs.every(({ glob }) => isName(glob))) {
    return [...units, ...patterns];
  }
  const joined = part([...last.globs, ...first.globs], slots, false);
  return joined === undefined ? [...units, ...patterns] : [...units.slice(0, -1), joined, ...rest];
}

function part(globs: readonly NumberedGlob[], slots: number, optional: boolean): Part | undefined {
  const graph = new GlobGraph();
  for (const { id, glob } of globs) graph.add(glob, id);
  const made = determinise(graph, slots);
  return made === undefined ? undefined : { ...made, globs, optional };
}

/**
 * Patterns with a beginning of their own in one automaton, those that begin anywhere in another: a state of the former
 * would have to know all states of the latter. Those with several `**` by joining the smallest automata while they fit.
 */
function pack(patterns: readonly NumberedGlob[], slots: number): Split {
  if (patterns.length === 0) return { parts: [], tooLarge: [] };
  const all = part(patterns, slots / 8, true);
  if (all !== undefined) return { parts: [all], tooLarge: [] };
  const plain = patterns.filter(({ glob }) => patternWeight(glob) === 0);
  const anchored = plain.filter(({ glob }) => literalPrefix(glob) !== '/');
  const floating = plain.filter((one) => !anchored.includes(one));
  const groups = [anchored, floating].filter((group) => group.length > 0);
  const together = groups.flatMap((group) => part(group, slots, true) ?? []);
  const packed = new Set(together.flatMap(({ globs }) => globs));
  const single = patterns
    .filter((one) => !packed.has(one))
    .map((one) => ({ one, made: part([one], slots, true) }));
  return {
    parts: joinSmallest([...together, ...single.flatMap(({ made }) => made ?? [])], slots),
    tooLarge: single.filter(({ made }) => made === undefined).map(({ one }) => one),
  };
}

/** Tries to join that may fail: each costs a whole budget of work. */
const FAILED_TRIES = 8;

function joinSmallest(units: readonly Part[], slots: number): readonly Part[] {
  const open = [...units];
  const closed: Part[] = [];
  while (open.length > 1 && closed.length < FAILED_TRIES) {
    open.sort((a, b) => sizeOf(a) - sizeOf(b) || firstId(a) - firstId(b));
    const [a, b, ...rest] = open;
    if (a === undefined || b === undefined) break;
    const joined = part(
      [...a.globs, ...b.globs].sort((x, y) => x.id - y.id),
      slots,
      true,
    );
    if (joined === undefined) closed.push(b);
    open.splice(0, open.length, joined ?? a, ...rest);
  }
  return [...closed, ...open].sort((a, b) => firstId(a) - firstId(b));
}

function sizeOf({ automaton }: Part): number {
  return automaton.accepts.length + automaton.bytes.length;
}

function firstId({ globs }: Part): number {
  return globs[0]?.id ?? 0;
}

/** Text, then at most a choice of endings: the whole of a directory, or a name's twin. */
function isLiteral(glob: Glob): boolean {
  const [first, second, ...rest] = glob;
  if (first?.type !== 'text' || rest.length > 0) return false;
  return second === undefined || (second.type === 'group' && second.alternatives.every(isEnding));
}

function isEnding(glob: Glob): boolean {
  const [only, ...rest] = glob;
  return (
    rest.length === 0 && (only === undefined || ['text', 'star', 'globstar'].includes(only.type))
  );
}

/** Any file of that name: a slash, nothing or `**` with a slash, the name. */
function isName(glob: Glob): boolean {
  const [root, anywhere, name, twin, ...rest] = glob;
  if (root?.type !== 'text' || root.text !== '/' || name?.type !== 'text') return false;
  if (rest.length > 0 || (twin !== undefined && !isTwin(twin)) || name.text.includes('/'))
    return false;
  return anywhere?.type === 'group' && isAnywhere(anywhere.alternatives);
}

function isTwin(token: GlobToken): boolean {
  return (
    token.type === 'group' &&
    token.alternatives.every((one) => one.every(({ type }) => type === 'text'))
  );
}

function isAnywhere(alternatives: readonly Glob[]): boolean {
  const [here, below, ...rest] = alternatives;
  const [star, slash, ...more] = below ?? [];
  if (here?.length !== 0 || rest.length > 0 || more.length > 0) return false;
  return star?.type === 'globstar' && slash?.type === 'text' && slash.text === '/';
}

function weightOf(globs: readonly NumberedGlob[]): number {
  const length = (glob: Glob): number =>
    glob.reduce((sum, token) => {
      if (token.type === 'text') return sum + token.text.length;
      return (
        sum +
        (token.type === 'group' ? token.alternatives.reduce((all, one) => all + length(one), 1) : 1)
      );
    }, 0);
  return globs.reduce((sum, { glob }) => sum + length(glob), 0);
}
