import { FuzzRandom } from '../../libs/testing/src/fuzz-random.js';
import type { Action, Labels } from './history.js';
import { ETCD_MEMBERS } from './support/etcd-members.js';

/** Processes and links, by name; those of a host end with `@` and its name. */
export type Fault =
  | { readonly kind: 'kill' | 'end'; readonly of: string }
  | { readonly kind: 'stop'; readonly of: string; readonly forMs: number }
  | { readonly kind: 'cut' | 'stall' | 'slow'; readonly of: string; readonly forMs: number }
  | { readonly kind: 'break-off'; readonly of: string; readonly afterBytes: number }
  | { readonly kind: 'flush'; readonly of: 'redis' | 'redis-events' }
  | { readonly kind: 'lose-leader'; readonly by: 'kill' | 'stop'; readonly forMs: number }
  | { readonly kind: 'fail-over'; readonly by: 'cut' | 'order' | 'stop'; readonly forMs: number }
  | { readonly kind: 'fill-disk'; readonly of: string; readonly forMs: number }
  /** `of` is a machine: a host, or what runs a control plane. */
  | {
      readonly kind: 'set-clock';
      readonly of: string;
      readonly byMs: number;
      readonly forMs: number;
    }
  /** On this host; what comes of it takes longer than the plan of a seed leaves between two faults. */
  | { readonly kind: 'deny-agent'; readonly of: string }
  | { readonly kind: 'corrupt-bundles' | 'compact' };

export type Step =
  | { readonly at: number; readonly do: Action }
  | { readonly at: number; readonly deny: string; readonly resource: string }
  | { readonly at: number; readonly fault: Fault };

export interface Plan {
  /** Hosts that are there from the start. */
  readonly first: readonly string[];
  readonly steps: readonly Step[];
}

const FIRST = ['h1', 'h2', 'h3', 'h4'];
const POLICIES = ['p1', 'p2', 'p3', 'p4', 'p5'];
const LABELS: readonly Labels[] = [{ env: 'prod' }, { env: 'dev' }, { tier: 'web' }];
const STORES = [...ETCD_MEMBERS, 'redis', 'redis-b', 'redis-events'];
const SENTINELS = ['sentinel-1', 'sentinel-2', 'sentinel-3'];
const SERVERS = [...STORES, ...SENTINELS, 'control plane', 'replica'];
const SERVER_LINKS = [...STORES, 'operator', 'operator@replica'];
const LONGEST_MS = 8_000;
const MINUTE_MS = 60_000;
/** How far a clock is set, ahead or back. */
const CLOCK_MS = [2 * MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS];
/** Longer than Sentinel takes to give a master up. */
const FAILED_OVER_MS = 3_000;

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
  while ((at += 1_000 + random.below(4_000)) < lengthMs) steps.push({ at, fault: faultOf(random) });
  at = 3_000;
  while ((at += 3_000 + random.below(20_000)) < lengthMs)
    steps.push({ at, fault: random.oneIn(4) ? fullMemberOf(random) : clockOf(random) });
  return { first: FIRST, steps: steps.sort((a, b) => a.at - b.at) };
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

function faultOf(random: FuzzRandom): Fault {
  const node = random.pick(FIRST);
  const ofHost = ['agent', 'sensor', 'compiler'].map((program) => `${program}@${node}`);
  const linkOfHost = ['redis', 'redis-b', 'redis-events', 'control plane'].map(
    (to) => `${to}@${node}`,
  );
  const process = random.pick([...SERVERS, ...ofHost]);
  const link = random.pick([...SERVER_LINKS, ...linkOfHost]);
  const forMs = 500 + random.below(LONGEST_MS);
  switch (random.below(12)) {
    case 0:
    case 1:
      return { kind: 'kill', of: process };
    case 2:
      return { kind: 'end', of: process };
    case 3:
      return { kind: 'stop', of: process, forMs };
    case 4:
    case 5:
      return { kind: random.pick(['cut', 'stall', 'slow'] as const), of: link, forMs };
    case 6:
      return { kind: 'break-off', of: link, afterBytes: random.below(6_000) };
    case 7:
      return { kind: 'flush', of: random.pick(['redis', 'redis-events'] as const) };
    case 8:
      return { kind: 'lose-leader', by: random.pick(['kill', 'stop'] as const), forMs };
    case 9: {
      const by = random.pick(['cut', 'order', 'stop'] as const);
      return { kind: 'fail-over', by, forMs: FAILED_OVER_MS + forMs };
    }
    case 10: {
      const of = random.pick(['control plane', 'replica', `agent@${node}`]);
      return { kind: 'fill-disk', of, forMs };
    }
    default:
      return { kind: random.pick(['corrupt-bundles', 'compact'] as const) };
  }
}

function fullMemberOf(random: FuzzRandom): Fault {
  const of = random.pick(ETCD_MEMBERS);
  return { kind: 'fill-disk', of, forMs: 500 + random.below(2 * LONGEST_MS) };
}

function clockOf(random: FuzzRandom): Fault {
  const of = random.pick(['control plane', 'replica', ...FIRST]);
  const byMs = random.pick(CLOCK_MS) * (random.oneIn(2) ? 1 : -1);
  return { kind: 'set-clock', of, byMs, forMs: 500 + random.below(2 * LONGEST_MS) };
}
