import { FuzzRandom } from '../../libs/testing/src/fuzz-random.js';
import { faultOf, FIRST, FREQUENT, RARE, type Fault } from './faults.js';
import type { Action, Labels } from './history.js';

export type Step =
  | { readonly at: number; readonly do: Action }
  | { readonly at: number; readonly deny: string; readonly resource: string }
  | { readonly at: number; readonly fault: Fault };

export interface Plan {
  /** Hosts that are there from the start. */
  readonly first: readonly string[];
  readonly steps: readonly Step[];
}

const POLICIES = ['p1', 'p2', 'p3', 'p4', 'p5'];
const LABELS: readonly Labels[] = [{ env: 'prod' }, { env: 'dev' }, { tier: 'web' }];
/** A run of this length has every kind of fault. */
const WHOLE_MS = 5 * 60_000;

/** What is done to the product and when, in ms from the start: the same for the same seed and length. */
export function planOf(seed: number, lengthMs: number): Plan {
  const random = new FuzzRandom(seed);
  const steps: Step[] = [];
  const [joins, leaves] = [lengthMs / 3, lengthMs / 2];
  steps.push({ at: joins, do: { kind: 'enrol', node: 'h5' } });
  steps.push({ at: leaves, do: { kind: 'revoke', node: 'h4' } });
  let [at, number] = [0, 0];
  while ((at += 200 + random.below(1_600)) < lengthMs) {
    number += 1;
    steps.push({ at, do: actionOf(random, number) });
    if (random.oneIn(2)) {
      const node = random.pick(FIRST);
      steps.push({ at, deny: node, resource: `/denied/${number}` });
    }
  }
  at = 2_000;
  while ((at += 1_000 + random.below(4_000)) < lengthMs)
    steps.push({ at, fault: faultOf(FREQUENT, random) });
  at = 3_000;
  while ((at += 3_000 + random.below(20_000)) < lengthMs)
    steps.push({ at, fault: faultOf(RARE, random) });
  if (lengthMs >= WHOLE_MS) steps.push(...missing(steps, lengthMs, random));
  return { first: FIRST, steps: steps.sort((a, b) => a.at - b.at) };
}

/** One of each kind that chance has left out. */
function missing(steps: readonly Step[], lengthMs: number, random: FuzzRandom): readonly Step[] {
  const there = new Set(steps.map((step) => ('fault' in step ? step.fault.kind : undefined)));
  return [...FREQUENT, ...RARE]
    .filter(({ kind }) => !there.has(kind))
    .map(({ draw }) => ({ at: random.below(lengthMs), fault: draw(random) }));
}

function actionOf(random: FuzzRandom, number: number): Action {
  const policy = random.pick(POLICIES);
  const chance = random.below(10);
  if (chance < 5) {
    const labels = random.pick(LABELS);
    return { kind: 'apply', policy, marker: `/usr/bin/marked-${number}`, labels };
  }
  if (chance < 8) return { kind: random.pick(['delete', 'pause', 'resume'] as const), policy };
  const labels = { env: random.pick(['prod', 'dev']), tier: random.pick(['web', 'db']) };
  return { kind: 'label', node: random.pick(FIRST), labels };
}
