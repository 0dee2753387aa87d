import { SeededRandom } from '#contracts';
import {
  CONTROL_PLANES,
  faultOf,
  FIRST,
  FREQUENT,
  possible,
  RARE,
  type Drawn,
  type Fault,
  type RedisLayout,
} from './faults.js';
import type { Action, Labels } from './history.js';

export type Step =
  | { readonly at: number; readonly do: Action }
  | { readonly at: number; readonly deny: string; readonly resource: string }
  | { readonly at: number; readonly fault: Fault };

export interface Plan {
  /** Hosts that are there from the start. */
  readonly first: readonly string[];
  readonly steps: readonly Step[];
  /** Several of each kind: what never found its moment is tried when all else is over. */
  readonly again: readonly Fault[];
}

/** A host that is not there from the start. */
export const SPARE = 'h5';
/** A host whose machine is replaced by another one. */
const REPLACED = 'h3';
const REPLACED_WITHIN_MS = 10_000;
const POLICIES = ['p1', 'p2', 'p3', 'p4', 'p5'];
const LABELS: readonly Labels[] = [{ env: 'prod' }, { env: 'dev' }, { tier: 'web' }];
const SUSPENDED_MS = 15_000;
/** A run of this length has every kind of fault. */
const WHOLE_MS = 5 * 60_000;
const TRIES_AGAIN = 5;

/** The configuration names one Redis alone for so long: until a host that its own is away for has asked where it is. */
const LEFT_MS = 90_000;
/** At the least hosts are split so long before that. */
const SPLIT_MS = 3_000;
/** Or until hosts renew, once control planes have started. */
const RENEWED_MS = 40_000;
const STARTED_MS = 10_000;

/** What is done to the product and when, in ms from the start: the same for the same seed, length and layout. */
export function planOf(seed: number, lengthMs: number, redis: RedisLayout = 'replica'): Plan {
  const random = new SeededRandom(seed);
  const steps: Step[] = [];
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
    steps.push({ at, fault: faultOf(FREQUENT, random, redis) });
  at = 3_000;
  while ((at += 3_000 + random.below(20_000)) < lengthMs)
    steps.push({ at, fault: faultOf(RARE, random, redis) });
  at = 2_000;
  while ((at += 4_000 + random.below(40_000)) < lengthMs)
    steps.push(...breakGlassOf(random, at).filter((step) => step.at < lengthMs));
  steps.push(...membersOf(random, lengthMs));
  if (redis === 'shards') steps.push(...movesOf(random, lengthMs));
  const kinds = possible([...FREQUENT, ...RARE], redis);
  const draw = (each: Drawn): Fault => each.draw(random, redis);
  if (lengthMs >= WHOLE_MS)
    for (const each of leftOut(kinds, steps))
      steps.push({ at: random.below(lengthMs), fault: draw(each) });
  steps.push(...replacedOf(random, lengthMs));
  // Drawn last: no step depends on it.
  const again = lengthMs >= WHOLE_MS ? againOf(kinds, draw) : [];
  return { first: FIRST, steps: steps.sort((a, b) => a.at - b.at), again };
}

/** Of these kinds what chance has left out. */
function leftOut(kinds: readonly Drawn[], steps: readonly Step[]): readonly Drawn[] {
  const has = new Set(steps.map((step) => ('fault' in step ? step.fault.kind : undefined)));
  return kinds.filter(({ kind }) => !has.has(kind));
}

/** But for kills in a swap: when all else is over no host swaps. */
function againOf(kinds: readonly Drawn[], draw: (each: Drawn) => Fault): readonly Fault[] {
  return kinds
    .filter(({ kind }) => kind !== 'kill-in-swap')
    .flatMap((each) => Array.from({ length: TRIES_AGAIN }, () => draw(each)));
}

/**
 * The configuration names one Redis alone for a while, and hosts leave the other one: they are told so as they renew, or
 * ask since it is away. Those that renew later go back to it.
 */
function movesOf(random: SeededRandom, lengthMs: number): readonly Step[] {
  const at = SPLIT_MS + random.below(Math.floor(lengthMs / 20));
  const isAway = random.oneIn(2);
  const forMs = isAway ? LEFT_MS : RENEWED_MS;
  const back = at + forMs + STARTED_MS;
  const renewals = FIRST.map((of): Step => {
    const isMeanwhile = !isAway && random.oneIn(2);
    const when = isMeanwhile
      ? at + STARTED_MS + random.below(forMs)
      : back + random.below(Math.max(1, lengthMs - back));
    return { at: when, fault: { kind: 'kill-in-renewal', of } };
  });
  const steps: Step[] = [
    { at, fault: { kind: 'unname-shard', of: CONTROL_PLANES, forMs } },
    ...renewals,
  ];
  if (isAway) steps.push({ at, fault: { kind: 'stop', of: 'redis-b', forMs } });
  return steps.filter((step) => step.at < lengthMs);
}

/** A host joins, one that was there from the start is revoked, and in every other run the one that joined is too. */
function membersOf(random: SeededRandom, lengthMs: number): readonly Step[] {
  const sixth = Math.floor(lengthMs / 6);
  const within = (first: number, sixths: number): number =>
    first * sixth + random.below(sixths * sixth);
  const leaves = random.oneIn(2) ? ['h4', SPARE] : ['h4'];
  return [
    { at: within(1, 2), do: { kind: 'enrol', node: SPARE } },
    ...leaves.map((node): Step => {
      return { at: within(node === SPARE ? 4 : 2, 2), do: { kind: 'revoke', node } };
    }),
  ];
}

/** A machine is given up, and soon another one comes in its place. */
function replacedOf(random: SeededRandom, lengthMs: number): readonly Step[] {
  const node = REPLACED;
  const at = random.below(Math.floor(lengthMs / 2));
  const comes = at + random.below(REPLACED_WITHIN_MS);
  return [
    { at, do: { kind: 'replace', node } },
    { at: comes, do: { kind: 'enrol', node } },
  ];
}

/** Some hosts are let off, and enforce again. */
function breakGlassOf(random: SeededRandom, at: number): readonly Step[] {
  const reason = `break-glass at ${at}`;
  const target = random.oneIn(2) ? { node: random.pick(FIRST) } : { labels: random.pick(LABELS) };
  const mode = random.pick(['audit', 'off'] as const);
  const end = at + 1_000 + random.below(SUSPENDED_MS);
  return [
    { at, do: { kind: 'suspend', reason, target, mode } },
    { at: end, do: { kind: 'end-suspension', reason } },
  ];
}

function actionOf(random: SeededRandom, number: number): Action {
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
