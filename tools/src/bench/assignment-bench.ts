import { buildCommit } from '#bundle';
import { redisKeys } from '#contracts';
import {
  connectRedis,
  type Delivery,
  DeliveryWriter,
  nodeUserName,
  type RedisConnection,
} from '#redis';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { benchUser } from './acl-bench.js';
import type { BenchRedis } from './bench-redis.js';
import type { BenchReport } from './bench-report.js';
import { cpuMsOf } from './process-use.js';
import type { TrustFleet } from './trust-fleet.js';

const CONNECT_AT_ONCE = 32;
const WITHIN_MS = 30_000;
/** No host pings while it is measured. */
const NEVER_MS = 3_600_000;
/** Writes over which CPU time is counted: of fewer it is a few ticks of the kernel. */
const COUNTED_WRITES = 20_000;
const MOST_ROUNDS = 500;
const US_IN_MS = 1_000;

/**
 * Assignments that the product's writer puts into a Redis, by its script, to hosts that each listen for their own: what
 * that takes of Redis. The users of `aclCase` are there.
 */
export async function assignmentCase(
  report: BenchReport,
  { redis, fleet }: { readonly redis: BenchRedis; readonly fleet: TrustFleet },
  agents: number,
  signal: AbortSignal,
): Promise<void> {
  const count = Math.min(agents, fleet.hosts.length);
  const listeners = await Listeners.connect(redis, count);
  const connection = connectRedis({ ...redis.login, commandTimeoutMs: WITHIN_MS });
  try {
    const writer = new DeliveryWriter(connection);
    const spent = { ours: 0, bare: 0 };
    const rounds = Math.min(Math.ceil(COUNTED_WRITES / count), MOST_ROUNDS);
    // The first round warms up.
    for (let round = 0; round <= rounds; round += 1) {
      signal.throwIfAborted();
      const deliveries = deliveriesOf(fleet, count);
      const ours = await cpuOf(redis, () => listeners.heard(() => written(writer, deliveries)));
      const lengths = listeners.lengths;
      const bare = await cpuOf(redis, () =>
        listeners.heard(() => setAndPublish(connection, deliveries, lengths)),
      );
      if (round === 0) continue;
      spent.ours += ours;
      spent.bare += bare;
    }
    const each = (ms: number): number => (ms * US_IN_MS) / (rounds * count);
    report.case(
      `assignments, hosts=${count}`,
      'each written by the script that looks whether it is newer, with the nudge, which has record and\n' +
        'bundle in it, to a host that listens; baseline: a bare SET and PUBLISH of as many bytes',
      [
        {
          metric: 'CPU of Redis, a host',
          value: each(spent.ours),
          unit: 'us',
          baseline: each(spent.bare),
        },
      ],
    );
  } finally {
    connection.close();
    listeners.close();
  }
}

/** The next commit, of one policy that all hosts have. */
function deliveriesOf(fleet: TrustFleet, count: number): readonly Delivery[] {
  const bundle = fleet.bundleOf(1);
  const { records } = buildCommit(fleet.commitInput(bundle, count));
  return [...records.values()].map((record, n) => ({
    nodeId: benchUser(n).nodeId,
    record,
    bundle: bundle.ciphertext,
  }));
}

async function written(writer: DeliveryWriter, deliveries: readonly Delivery[]): Promise<void> {
  const outcomes = await writer.writeMany(deliveries);
  const others = outcomes.filter((outcome) => outcome !== 'written');
  if (others.length > 0)
    throw new CommandFailed(`${others.length} assignments were not written: ${others[0] ?? ''}`);
}

async function setAndPublish(
  connection: RedisConnection,
  deliveries: readonly Delivery[],
  nudges: readonly number[],
): Promise<void> {
  await connection.run('writing as many bytes', (client) => {
    const pipeline = client.pipeline();
    for (const [n, { nodeId, record }] of deliveries.entries())
      pipeline
        .set(redisKeys.bundle(`bench-${n}`), JSON.stringify(record))
        .publish(redisKeys.nudge(nodeId), 'x'.repeat(nudges[n] ?? 0));
    return pipeline.exec();
  });
}

async function cpuOf(redis: BenchRedis, work: () => Promise<void>): Promise<number> {
  const before = await cpuMsOf([redis.pid]);
  await work();
  return (await cpuMsOf([redis.pid])) - before;
}

/** A connection of each host by its own user, on which it hears its own nudges. */
class Listeners {
  /** Bytes of what each heard last. */
  readonly lengths: number[] = [];
  #missing = 0;
  #all = Promise.withResolvers<void>();

  private constructor(private readonly connections: readonly RedisConnection[]) {
    for (const [n, connection] of connections.entries())
      connection.onMessage((_, { length }) => this.#hear(n, length));
  }

  static async connect({ login }: BenchRedis, count: number): Promise<Listeners> {
    const connections: RedisConnection[] = [];
    const connect = async (): Promise<void> => {
      while (connections.length < count) {
        const { nodeId, secret } = benchUser(connections.length);
        const user = { username: nodeUserName(nodeId), password: secret };
        const patience = { commandTimeoutMs: WITHIN_MS, heartbeatMs: NEVER_MS };
        const connection = connectRedis({ ...login, ...user, ...patience });
        connections.push(connection);
        await connection.run('subscribing', (client) => client.subscribe(redisKeys.nudge(nodeId)));
      }
    };
    await Promise.all(Array.from({ length: CONNECT_AT_ONCE }, connect));
    return new Listeners(connections);
  }

  /** Until each has heard what `work` tells them. */
  async heard(work: () => Promise<void>): Promise<void> {
    this.#missing = this.connections.length;
    this.#all = Promise.withResolvers<void>();
    const late = setTimeout(
      () => this.#all.reject(new CommandFailed(`${this.#missing} hosts did not hear in time`)),
      WITHIN_MS,
    );
    try {
      await Promise.all([work(), this.#all.promise]);
    } finally {
      clearTimeout(late);
    }
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }

  #hear(n: number, length: number): void {
    this.lengths[n] = length;
    this.#missing -= 1;
    if (this.#missing === 0) this.#all.resolve();
  }
}
