import type { SeededRandom } from '#contracts';
import { ETCD_MEMBERS, peersLink } from './support/etcd-members.js';
import { REDIS_SERVERS, SENTINELS, type RedisServerName } from './support/redis-nodes.js';

/** Processes and links, by name; those of a host, and of a member of etcd to the others, end with `@` and its name. */
export type Fault =
  | { readonly kind: 'kill' | 'end'; readonly of: string }
  | { readonly kind: 'stop'; readonly of: string; readonly forMs: number }
  /** An agent or a sensor, so long after it asked for a swap or was asked for one, where that is not over by then. */
  | { readonly kind: 'kill-in-swap'; readonly of: string; readonly afterMs: number }
  /** `one-way`: what is asked arrives, and no answer comes. */
  | {
      readonly kind: 'cut' | 'stall' | 'slow' | 'one-way';
      readonly of: string;
      readonly forMs: number;
    }
  | {
      readonly kind: 'slow-reader';
      /** A host, on its links to the Redis for policies. */
      readonly of: string;
      readonly bytesPerSecond: number;
      readonly forMs: number;
    }
  | { readonly kind: 'break-off'; readonly of: string; readonly afterBytes: number }
  | { readonly kind: 'flush'; readonly of: RedisServerName }
  | { readonly kind: 'lose-leader'; readonly by: 'kill' | 'stop'; readonly forMs: number }
  /** What a control plane is known by to the others is revoked in etcd. */
  | { readonly kind: 'lose-lease'; readonly of: ControlPlaneName }
  | { readonly kind: 'fail-over'; readonly by: 'cut' | 'order' | 'stop'; readonly forMs: number }
  | { readonly kind: 'lose-postgresql'; readonly by: 'end' | 'kill'; readonly forMs: number }
  /** Of a host, of what runs a control plane, and so on: whatever that keeps lies on it. */
  | { readonly kind: DiskFault; readonly of: string; readonly forMs: number }
  /** `of` is a machine: a host, or what runs a control plane. */
  | {
      readonly kind: 'set-clock';
      readonly of: string;
      readonly byMs: number;
      readonly forMs: number;
    }
  /** These are started anew with a configuration that names one Redis alone; and with both, so long after they serve. */
  | {
      readonly kind: 'unname-shard';
      readonly of: readonly ControlPlaneName[];
      readonly forMs: number;
    }
  /** A host, whose agent is killed while it renews: it begins with another secret for Redis, and ends that afterwards. */
  | { readonly kind: 'kill-in-renewal'; readonly of: string }
  /** On this host; what comes of it takes longer than the plan of a seed leaves between two faults. */
  | { readonly kind: 'deny-agent'; readonly of: string }
  | { readonly kind: 'corrupt-bundles' | 'compact' };
export type FaultKind = Fault['kind'];
type DiskFault = `fill-${'host' | 'control-plane' | 'postgresql' | 'sentinel' | 'etcd'}-disk`;

/** The two control planes, as plans name them. */
export const CONTROL_PLANES = ['control plane', 'replica'] as const;
export type ControlPlaneName = (typeof CONTROL_PLANES)[number];

/** What the second Redis is: a replica that Sentinels may make the master, or one that has a share of the hosts. */
export type RedisLayout = 'replica' | 'shards';

/** How a kind of fault is drawn, and how often beside others. */
export interface Drawn {
  readonly kind: FaultKind;
  readonly weight: number;
  /** Absent: in both. */
  readonly only?: RedisLayout;
  readonly draw: (random: SeededRandom, redis: RedisLayout) => Fault;
}

/** Hosts that faults hit. */
export const FIRST = ['h1', 'h2', 'h3', 'h4'];
const STORES = [...ETCD_MEMBERS, ...REDIS_SERVERS];
const SERVERS = {
  replica: [...STORES, ...SENTINELS, ...CONTROL_PLANES],
  shards: [...STORES, ...CONTROL_PLANES],
};
const FLUSHED = { replica: ['redis', 'redis-events'], shards: REDIS_SERVERS } as const;
const SERVER_LINKS = [
  ...STORES,
  ...ETCD_MEMBERS.map(peersLink),
  'operator',
  'operator@replica',
  'postgresql',
  'postgresql@replica',
];
const LONGEST_MS = 8_000;
const MINUTE_MS = 60_000;
/** How far a clock is set, ahead or back. */
const CLOCK_MS = [2 * MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS];
/** Longer than Sentinel takes to give a master up. */
const FAILED_OVER_MS = 3_000;
/** As long as a swap takes on a slow machine. */
const SWAP_MS = 500;
/** What a slow reader reads a second, at the least and at the most: a bundle, or the greeting of TLS, takes it seconds. */
const READ_BYTES = [500, 4_000] as const;

const process = (random: SeededRandom, redis: RedisLayout): string => {
  const node = random.pick(FIRST);
  return random.pick([...SERVERS[redis], `agent@${node}`, `sensor@${node}`, `compiler@${node}`]);
};
const link = (random: SeededRandom): string => {
  const node = random.pick(FIRST);
  const ofHost = [...REDIS_SERVERS, 'control plane'].map((to) => `${to}@${node}`);
  return random.pick([...SERVER_LINKS, ...ofHost]);
};
const forMs = (random: SeededRandom): number => 500 + random.below(LONGEST_MS);
const forLongMs = (random: SeededRandom): number => 500 + random.below(2 * LONGEST_MS);

function fullDisk(
  kind: DiskFault,
  weight: number,
  of: readonly string[],
  lasts: (random: SeededRandom) => number,
): Drawn {
  return {
    kind,
    weight,
    draw: (random) => ({ kind, of: random.pick(of), forMs: lasts(random) }),
  };
}

/** What comes one after another all the time. */
export const FREQUENT: readonly Drawn[] = [
  {
    kind: 'kill',
    weight: 4,
    draw: (random, redis) => ({ kind: 'kill', of: process(random, redis) }),
  },
  {
    kind: 'end',
    weight: 2,
    draw: (random, redis) => ({ kind: 'end', of: process(random, redis) }),
  },
  {
    kind: 'stop',
    weight: 2,
    draw: (random, redis) => ({
      kind: 'stop',
      of: process(random, redis),
      forMs: forMs(random),
    }),
  },
  {
    kind: 'kill-in-swap',
    weight: 2,
    draw: (random) => ({
      kind: 'kill-in-swap',
      of: `${random.pick(['agent', 'sensor'])}@${random.pick(FIRST)}`,
      afterMs: random.below(SWAP_MS),
    }),
  },
  ...(['cut', 'stall', 'slow', 'one-way'] as const).map((kind): Drawn => ({
    kind,
    weight: kind === 'slow' ? 1 : 2,
    draw: (random) => ({ kind, of: link(random), forMs: forMs(random) }),
  })),
  {
    kind: 'slow-reader',
    weight: 2,
    draw: (random) => ({
      kind: 'slow-reader',
      of: random.pick(FIRST),
      bytesPerSecond: READ_BYTES[0] + random.below(READ_BYTES[1] - READ_BYTES[0]),
      forMs: forMs(random),
    }),
  },
  {
    kind: 'break-off',
    weight: 2,
    draw: (random) => ({ kind: 'break-off', of: link(random), afterBytes: random.below(6_000) }),
  },
  {
    kind: 'flush',
    weight: 2,
    draw: (random, redis) => ({ kind: 'flush', of: random.pick(FLUSHED[redis]) }),
  },
  {
    kind: 'lose-leader',
    weight: 2,
    draw: (random) => ({
      kind: 'lose-leader',
      by: random.pick(['kill', 'stop'] as const),
      forMs: forMs(random),
    }),
  },
  {
    kind: 'lose-lease',
    weight: 2,
    draw: (random) => ({ kind: 'lose-lease', of: random.pick(CONTROL_PLANES) }),
  },
  {
    kind: 'fail-over',
    weight: 2,
    only: 'replica',
    draw: (random) => ({
      kind: 'fail-over',
      by: random.pick(['cut', 'order', 'stop'] as const),
      forMs: FAILED_OVER_MS + forMs(random),
    }),
  },
  {
    kind: 'lose-postgresql',
    weight: 2,
    draw: (random) => ({
      kind: 'lose-postgresql',
      by: random.pick(['end', 'kill'] as const),
      forMs: forMs(random),
    }),
  },
  fullDisk('fill-host-disk', 2, FIRST, forMs),
  fullDisk('fill-control-plane-disk', 2, CONTROL_PLANES, forMs),
  fullDisk('fill-postgresql-disk', 1, ['postgresql'], forMs),
  { ...fullDisk('fill-sentinel-disk', 1, SENTINELS, forMs), only: 'replica' },
  ...(['corrupt-bundles', 'compact'] as const).map((kind): Drawn => ({
    kind,
    weight: 1,
    draw: () => ({ kind }),
  })),
];

/** What takes longer, beside the others. */
export const RARE: readonly Drawn[] = [
  {
    kind: 'set-clock',
    weight: 3,
    draw: (random) => ({
      kind: 'set-clock',
      of: random.pick([...CONTROL_PLANES, ...FIRST]),
      byMs: random.pick(CLOCK_MS) * (random.oneIn(2) ? 1 : -1),
      forMs: forLongMs(random),
    }),
  },
  fullDisk('fill-etcd-disk', 1, ETCD_MEMBERS, forLongMs),
  {
    kind: 'unname-shard',
    weight: 1,
    only: 'shards',
    draw: (random) => ({
      kind: 'unname-shard',
      of: [random.pick(CONTROL_PLANES)],
      forMs: forLongMs(random),
    }),
  },
  {
    kind: 'kill-in-renewal',
    // Of each host once, which the plan of its moves has.
    weight: 0,
    only: 'shards',
    draw: (random) => ({ kind: 'kill-in-renewal', of: random.pick(FIRST) }),
  },
];

/** Those of these that there is something to do to. */
export function possible(from: readonly Drawn[], redis: RedisLayout): readonly Drawn[] {
  return from.filter(({ only = redis }) => only === redis);
}

/** One of these, by their weights. */
export function faultOf(from: readonly Drawn[], random: SeededRandom, redis: RedisLayout): Fault {
  const all = possible(from, redis).flatMap((each) => Array<Drawn>(each.weight).fill(each));
  return random.pick(all).draw(random, redis);
}
