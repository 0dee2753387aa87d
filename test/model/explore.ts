import { hash } from 'node:crypto';

/** What may happen next. `system`: happens by itself in time, without a fault, an operator's change or an attacker. */
export interface Step<State> {
  readonly name: string;
  readonly system: boolean;
  readonly next: State;
}

/** What is explored, within bounds that make it finite. */
export interface Model<State> {
  readonly first: State;
  /** One name for all states that no step can tell apart. */
  readonly keyOf: (state: State) => string;
  /** Every step that is possible; what happens by itself in the order in which it is let happen. */
  readonly steps: (state: State) => readonly Step<State>[];
  /** What must hold in every state and of every step, and does not. */
  readonly brokenBy: (before: State, after: State, name: string) => string | undefined;
  /** What must hold when nothing happens by itself any more, and does not. */
  readonly brokenAtRest: (state: State) => string | undefined;
}

/** What was broken, and the steps that lead there from the beginning. */
export interface Violation {
  readonly broken: string;
  readonly path: readonly string[];
}

export interface Exploration {
  readonly states: number;
  /** Every step that was taken, by its name with N for each number. */
  readonly steps: ReadonlySet<string>;
  readonly violation: Violation | undefined;
}

/** How a state was reached; not the state itself, of which there are millions. */
interface Visit {
  readonly cameFrom: Visit | undefined;
  readonly by: string;
}

const MAX_SETTLING = 200;

/** What is asked of a state: all, or only what must hold in every one, which mostly takes longer to break. */
export type Asked = 'all' | 'always';

/** Visits every state that can be reached, breadth first, so that the path to a violation is shortest. */
export function explore<State>(model: Model<State>, asked: Asked = 'all'): Exploration {
  const known = new Set([digestOf(model.keyOf(model.first))]);
  const taken = new Set<string>();
  const settling = asked === 'all' ? new Settling(model) : undefined;
  const end = (broken?: string, visit?: Visit): Exploration => ({
    states: known.size,
    steps: new Set(taken.values().map((name) => name.replaceAll(/\d/g, 'N'))),
    violation: broken === undefined ? undefined : { broken, path: pathTo(visit) },
  });
  let frontier: [State, Visit | undefined][] = [[model.first, undefined]];
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const [before, cameFrom] of frontier) {
      for (const { name: by, next: state } of model.steps(before)) {
        taken.add(by);
        const reached: Visit = { cameFrom, by };
        const wrong = model.brokenBy(before, state, by);
        if (wrong) return end(wrong, reached);
        const key = digestOf(model.keyOf(state));
        if (known.has(key)) continue;
        known.add(key);
        const unsettled = settling?.after(state, key);
        if (unsettled) return end(unsettled, reached);
        next.push([state, reached]);
      }
    }
    frontier = next;
  }
  return end();
}

function pathTo(visit: Visit | undefined): string[] {
  const path: string[] = [];
  for (let at = visit; at; at = at.cameFrom) path.unshift(at.by);
  return path;
}

/** What is kept of a key. */
function digestOf(key: string): string {
  return hash('sha1', key, 'base64');
}

/** Lets everything happen that happens by itself. */
class Settling<State> {
  /** States that come to a good end. */
  readonly #good = new Set<string>();

  constructor(private readonly model: Model<State>) {}

  after(from: State, itsKey: string): string | undefined {
    const { keyOf, steps, brokenAtRest } = this.model;
    const passed: string[] = [];
    let state = from;
    let key = itsKey;
    while (passed.length < MAX_SETTLING) {
      const step = this.#good.has(key) ? undefined : steps(state).find(({ system }) => system);
      const wrong = step || this.#good.has(key) ? undefined : brokenAtRest(state);
      if (wrong) return wrong;
      passed.push(key);
      if (!step) {
        for (const each of passed) this.#good.add(each);
        return undefined;
      }
      state = step.next;
      key = digestOf(keyOf(state));
    }
    return 'it never comes to rest';
  }
}
