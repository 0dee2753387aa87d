import { setTimeout as delay } from 'node:timers/promises';
import { sha256Hex } from '#bundle';
import {
  connectRedis,
  nodeUserName,
  nodeUserRules,
  NodeUsers,
  type NodeUser,
  type RedisConnection,
} from '#redis';
import type { BenchRedis } from './bench-redis.js';
import type { BenchReport } from './bench-report.js';
import { median } from '../../../apps/cli/src/sim/samples.js';

const AIM_HOSTS = 10_000;
const AIM_MS = 30_000;
const WITHIN_MS = 120_000;
const PART = 'control';

/** Host number `n` of the bench, and the secret by which it logs in. */
export function benchUser(n: number): NodeUser & { readonly secret: string } {
  const secret = sha256Hex(Buffer.from(`secret ${n}`));
  return {
    nodeId: sha256Hex(Buffer.from(`host ${n}`)),
    secret,
    secretHashes: [sha256Hex(Buffer.from(secret))],
  };
}

/**
 * Users of all hosts on a Redis that lost them: from the kill of Redis, through its start by the supervisor, until the
 * keeper of users has made all of them anew. The users stay, for who comes after.
 */
export async function aclCase(
  report: BenchReport,
  redis: BenchRedis,
  { hosts, rounds }: { readonly hosts: number; readonly rounds: number },
  signal: AbortSignal,
): Promise<void> {
  const users = Array.from({ length: hosts }, (_, n) => benchUser(n));
  const connection = connectRedis({ ...redis.login, commandTimeoutMs: WITHIN_MS });
  try {
    const bare = await bareSetUser(connection, users);
    const { killed, back } = await restores(connection, { redis, users, rounds }, signal);
    report.case(
      `ACL restore, hosts=${hosts}`,
      'users of all hosts made anew after Redis was killed and started again;\n' +
        'baseline: as many bare ACL SETUSER in one pipeline',
      [
        { metric: 'from the kill', value: killed, unit: 'ms', baseline: bare },
        { metric: 'from when Redis serves', value: back, unit: 'ms', baseline: bare },
      ],
    );
    if (hosts === AIM_HOSTS) report.aim('users of 10,000 hosts restored', killed, AIM_MS, 'ms');
  } finally {
    connection.close();
  }
}

async function bareSetUser(
  connection: RedisConnection,
  users: readonly NodeUser[],
): Promise<number> {
  const started = performance.now();
  await connection.run('making users', (client) => {
    const pipeline = client.pipeline();
    for (const user of users)
      pipeline.acl('SETUSER', nodeUserName(user.nodeId), ...nodeUserRules(user, PART));
    return pipeline.exec();
  });
  return performance.now() - started;
}

interface Restores {
  readonly redis: BenchRedis;
  readonly users: readonly NodeUser[];
  readonly rounds: number;
}

async function restores(
  connection: RedisConnection,
  { redis, users, rounds }: Restores,
  signal: AbortSignal,
): Promise<{ readonly killed: number; readonly back: number }> {
  let made = Promise.withResolvers<void>();
  const keeper = new NodeUsers(connection, {
    known: () => true,
    all: () => users,
    one: (nodeId) => users.find((user) => user.nodeId === nodeId),
    part: PART,
    keep: ['control', 'replication'],
    onReconciled: ({ set }) => set === users.length && made.resolve(),
  });
  try {
    await within(made.promise, signal);
    const samples: { killed: number; back: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      made = Promise.withResolvers<void>();
      const started = performance.now();
      await redis.restart();
      const served = performance.now();
      await within(made.promise, signal);
      const now = performance.now();
      samples.push({ killed: now - started, back: now - served });
    }
    return {
      killed: median(samples.map(({ killed }) => killed)),
      back: median(samples.map(({ back }) => back)),
    };
  } finally {
    await keeper.close();
  }
}

async function within(made: Promise<void>, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(WITHIN_MS)]);
  const late = delay(WITHIN_MS * 2, undefined, { signal: deadline });
  await Promise.race([made, late]);
}
