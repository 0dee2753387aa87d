import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { connect as connectTcp } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { connectRedis, nodeUserName } from '#redis';
import { benchUser } from './acl-bench.js';
import type { BenchRedis } from './bench-redis.js';
import type { BenchReport } from './bench-report.js';
import type { Measurement } from './measurement.js';
import { cpuMsOf } from './process-use.js';

/** Handshakes that are under way at a time: agents come back jittered. */
const AT_ONCE = 32;
const WITHIN_MS = 20_000;
/** A connection without a handshake costs too little for the kernel's ticks to be counted once. */
const TCP_TIMES = 10;

/** A host's certificate, where the control plane is, and which process. */
export interface MutualTls {
  readonly url: string;
  readonly pid: number;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** What a host's state folder holds after it was enrolled. */
export async function mutualTls(
  stateDir: string,
  { url, pid }: Pick<MutualTls, 'url' | 'pid'>,
): Promise<MutualTls> {
  const file = (name: string) => readFile(join(stateDir, 'agent', name));
  const [ca, cert, key] = [await file('ca.crt'), await file('tls.crt'), await file('tls.key')];
  return { url, pid, ca, cert, key };
}

/**
 * Agents that all come back: each to Redis (TLS 1.3, then its own user and secret) and to the control plane (TLS 1.3,
 * both sides with certificates), over full handshakes, as after a server that knows no session of before. Then what a host
 * of a large fleet does to confirm a change (ADR-0018): a connection to the control plane that is made and reset.
 */
export async function reconnectCase(
  report: BenchReport,
  to: { readonly redis: BenchRedis; readonly controlPlane: MutualTls },
  agents: number,
  signal: AbortSignal,
): Promise<void> {
  const { redis, controlPlane } = to;
  const { ca, cert, key, url } = controlPlane;
  const https = { port: Number(new URL(url).port), ca, cert, key };
  const toRedis = { port: redis.port, ...redis.login.tls };
  const all = (pid: number, work: (n: number) => Promise<void>, times = 1) =>
    timedAll(agents * times, { work, pid }, signal);
  const { pid } = controlPlane;
  const rows = [
    ...compared(
      ['Redis', 'Redis'],
      await all(redis.pid, loggedIn(redis)),
      await all(redis.pid, () => shaken(toRedis)),
    ),
    ...compared(
      ['HTTPS, mutual', 'the control plane'],
      await all(pid, () => asked(controlPlane)),
      await all(pid, () => shaken(https)),
    ),
    tcpMeasurement(await all(pid, () => connected(https.port), TCP_TIMES)),
  ];
  report.case(
    `TLS reconnect, agents=${agents}`,
    `each agent's connections made anew, ${AT_ONCE} at a time, client and server on this machine;\n` +
      'baseline: as many bare TLS handshakes with the same server and certificates; connections without\n' +
      `TLS are made ${TCP_TIMES} times as often, and divided by that`,
    rows,
  );
}

interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly serverMs: number;
}

function compared(
  [what, server]: readonly [what: string, server: string],
  ours: Spent,
  bare: Spent,
): readonly Measurement[] {
  const measured = (metric: string, of: keyof Spent): Measurement => ({
    metric: `${what}: ${metric}`,
    value: ours[of],
    unit: 'ms',
    baseline: bare[of],
  });
  return [
    measured('all', 'wallMs'),
    measured('CPU of the agents', 'cpuMs'),
    measured(`CPU of ${server}`, 'serverMs'),
  ];
}

function tcpMeasurement({ serverMs }: Spent): Measurement {
  const metric = 'TCP, made and reset: CPU of the control plane';
  return { metric, value: serverMs / TCP_TIMES, unit: 'ms' };
}

async function timedAll(
  count: number,
  { work, pid }: { readonly work: (n: number) => Promise<void>; readonly pid: number },
  signal: AbortSignal,
): Promise<Spent> {
  const before = await cpuMsOf([pid]);
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      signal.throwIfAborted();
      await work(n);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const { user, system } = process.cpuUsage(cpu);
  const wallMs = performance.now() - started;
  return { wallMs, cpuMs: (user + system) / 1_000, serverMs: (await cpuMsOf([pid])) - before };
}

/** As an agent connects: the product's own connection, logged in as that host, and one answer. */
function loggedIn(redis: BenchRedis): (n: number) => Promise<void> {
  return async (n) => {
    const { nodeId, secret } = benchUser(n);
    const { port, tls } = redis.login;
    const login = { username: nodeUserName(nodeId), password: secret };
    const connection = connectRedis({ port, tls, ...login, commandTimeoutMs: WITHIN_MS });
    try {
      await connection.run('a ping', (client) => client.ping());
    } finally {
      connection.close();
    }
  };
}

/** As an agent asks: a connection of its own, with the host's certificate. */
async function asked({ url, ca, cert, key }: MutualTls): Promise<void> {
  const options = {
    ca,
    cert,
    key,
    agent: false,
    minVersion: 'TLSv1.3',
    timeout: WITHIN_MS,
  } as const;
  const asking = request(new URL('/healthz', url), options).end();
  const [answer] = (await once(asking, 'response')) as [NodeJS.ReadableStream];
  answer.resume();
  await once(answer, 'end');
}

async function shaken(options: ConnectionOptions): Promise<void> {
  const socket = connect({ host: '127.0.0.1', servername: 'localhost', ...options });
  socket.setTimeout(WITHIN_MS, () => socket.destroy(new Error('no handshake in time')));
  await once(socket, 'secureConnect');
  // TLS 1.3: whoever ends before the server has read the last flight leaves it with half the work.
  socket.end();
  socket.resume();
  await once(socket, 'close');
}

async function connected(port: number): Promise<void> {
  const socket = connectTcp({ host: '127.0.0.1', port });
  socket.setTimeout(WITHIN_MS, () => socket.destroy(new Error('no connection in time')));
  await once(socket, 'connect');
  socket.resetAndDestroy();
}
