import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import { connectRedis, nodeUserName } from '#redis';
import { benchUser } from './acl-bench.js';
import type { BenchRedis } from './bench-redis.js';
import type { BenchReport } from './bench-report.js';
import type { Measurement } from './measurement.js';

/** Handshakes that are under way at a time: agents come back jittered. */
const AT_ONCE = 32;
const WITHIN_MS = 20_000;

/** A host's certificate and where the control plane is. */
export interface MutualTls {
  readonly url: string;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** What a host's state folder holds after it was enrolled. */
export async function mutualTls(stateDir: string, url: string): Promise<MutualTls> {
  const file = (name: string) => readFile(join(stateDir, 'agent', name));
  const [ca, cert, key] = [await file('ca.crt'), await file('tls.crt'), await file('tls.key')];
  return { url, ca, cert, key };
}

/**
 * Agents that all come back: each to Redis (TLS 1.3, then its own user and secret) and to the control plane (TLS 1.3,
 * both sides with certificates), over full handshakes, as after a server that knows no session of before.
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
  const all = (work: (n: number) => Promise<void>) => timedAll(agents, work, signal);
  const rows = [
    ...compared('Redis', await all(loggedIn(redis)), await all(() => shaken(toRedis))),
    ...compared(
      'HTTPS, mutual',
      await all(() => asked(controlPlane)),
      await all(() => shaken(https)),
    ),
  ];
  report.case(
    `TLS reconnect, agents=${agents}`,
    `each agent's connections made anew, ${AT_ONCE} at a time, client and server on this machine;\n` +
      'baseline: as many bare TLS handshakes with the same server and certificates',
    rows,
  );
}

interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
}

function compared(what: string, ours: Spent, bare: Spent): readonly Measurement[] {
  return [
    { metric: `${what}: all`, value: ours.wallMs, unit: 'ms', baseline: bare.wallMs },
    { metric: `${what}: CPU of the agents`, value: ours.cpuMs, unit: 'ms', baseline: bare.cpuMs },
  ];
}

async function timedAll(
  count: number,
  work: (n: number) => Promise<void>,
  signal: AbortSignal,
): Promise<Spent> {
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
  return { wallMs: performance.now() - started, cpuMs: (user + system) / 1_000 };
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
