import { canonicalKey } from './canonical.js';
import {
  commitName,
  compare,
  hasNewest,
  initial,
  isGreater,
  type Bounds,
  type State,
} from './state.js';
import { REPLAY, steps, type Mistake } from './steps.js';

/** What was broken, and the steps that lead there from the beginning. */
export interface Violation {
  readonly broken: string;
  readonly path: readonly string[];
}

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  readonly violation: Violation | undefined;
}

interface Visit {
  readonly state: State;
  readonly cameFrom: Visit | undefined;
  readonly by: string;
}

const MAX_SETTLING = 200;

/** Visits every state that can be reached within the bounds, breadth first, so that the path to a violation is shortest. */
export function explore(bounds: Bounds, mistake?: Mistake): Exploration {
  const first: Visit = { state: initial(bounds), cameFrom: undefined, by: '' };
  const known = new Set([canonicalKey(first.state)]);
  const settling = new Settling(bounds, mistake);
  let frontier = [first];
  let transitions = 0;
  while (frontier.length > 0) {
    const next: Visit[] = [];
    for (const visit of frontier) {
      for (const { name: by, next: state } of steps(visit.state, bounds, mistake)) {
        transitions++;
        const reached: Visit = { state, cameFrom: visit, by };
        const wrong = brokenBy(visit.state, state, by);
        if (wrong) return end(known.size, transitions, wrong, reached);
        const name = canonicalKey(state);
        if (known.has(name)) continue;
        known.add(name);
        const unsettled = settling.after(state);
        if (unsettled) return end(known.size, transitions, unsettled, reached);
        next.push(reached);
      }
    }
    frontier = next;
  }
  return { states: known.size, transitions, violation: undefined };
}

function end(states: number, transitions: number, broken: string, visit: Visit): Exploration {
  const path: string[] = [];
  for (let at: Visit | undefined = visit; at?.cameFrom; at = at.cameFrom) path.unshift(at.by);
  return { states, transitions, violation: { broken, path } };
}

/** What must hold in every state and of every step. */
function brokenBy(before: State, after: State, name: string): string | undefined {
  const { host } = after;
  const { applied } = host;
  if (
    applied &&
    !after.committed.includes(commitName(applied.order[0], applied.order[1], applied.content))
  )
    return 'a host enforces what was not committed';
  if (compare(host.seen, before.host.seen) < 0) return 'the highest seen went back';
  const hadApplied = before.host.applied;
  const wentBack = applied && hadApplied && compare(applied.order, hadApplied.order) < 0;
  if (wentBack && name !== 'the host falls back') return 'a host went back without a fallback';
  const was = before.redis;
  const wentBackThere =
    was?.signed && after.redis?.signed && isGreater(was.order, after.redis.order);
  if (wentBackThere && name !== REPLAY) return 'an older assignment was written over a newer one';
  const { status } = after;
  if (status && !status.proved) return 'enforced was said of what was never read back';
  if (status && before.status && status.sequence < before.status.sequence)
    return 'what the control plane believes went back';
  return undefined;
}

/** Lets everything happen that happens by itself, without a fault; then the host must have the newest, and be said to. */
class Settling {
  /** States that come to a good end. */
  readonly #good = new Set<string>();

  constructor(
    private readonly bounds: Bounds,
    private readonly mistake: Mistake | undefined,
  ) {}

  after(from: State): string | undefined {
    const passed: string[] = [];
    let state = from;
    while (passed.length < MAX_SETTLING) {
      const name = canonicalKey(state);
      const step = this.#good.has(name)
        ? undefined
        : steps(state, this.bounds, this.mistake).find(({ system }) => system);
      const wrong = step || this.#good.has(name) ? undefined : atRest(state);
      if (wrong) return wrong;
      passed.push(name);
      if (!step) {
        for (const each of passed) this.#good.add(each);
        return undefined;
      }
      state = step.next;
    }
    return 'it never comes to rest';
  }
}

function atRest(state: State): string | undefined {
  const { host, generation, status } = state;
  if (generation === 0) return undefined;
  if (!hasNewest(state) && !host.fellBack) return 'at rest a host has not the newest commit';
  if (host.inKernel !== host.applied?.content)
    return 'at rest the kernel has something else than is applied';
  const isTold =
    String(status?.order) === String(host.applied.order) && status?.fellBack === host.fellBack;
  return isTold ? undefined : 'at rest the status is not what the host has';
}
