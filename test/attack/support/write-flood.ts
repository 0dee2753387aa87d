import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { sealEvents } from '#bundle';
import { redisKeys, type AgentRun } from '#contracts';
import { connectRedis, type RedisConnection } from '#redis';
import { alertBatch } from '../../../apps/control-plane/src/testing/alerts.js';
import { tellOften } from './flood-counts.js';

/**
 * A program of an attacker that owns a host: writes with its user, on four connections, as fast as Redis takes it, and
 * rings without end. `garbage`: entries of 1 MiB that nobody can open; `alerts`: large batches that the host did seal, of
 * which its stream keeps a few, so that nothing there grows; `states`: of 4 MiB, that nobody can open. Reads its orders
 * (JSON) from standard input.
 */
export interface WriteOrders {
  readonly kind: 'garbage' | 'alerts' | 'states';
  readonly ports: { readonly redis: number; readonly redisEvents: number };
  readonly ca: string;
  readonly username: string;
  readonly password: string;
  readonly nodeId: string;
  /** Base64. */
  readonly channelKey: string;
  readonly run: AgentRun;
  readonly forMs: number;
}

const WRITERS = 4;
const MIB = 1024 * 1024;
const RING_MS = 20;
const WHEN_REFUSED_MS = 50;
/** Of a batch, which so has 0.7 MiB. */
const ALERTS = 1_700;
const KEPT_BATCHES = 16;

const orders = JSON.parse(readFileSync(0, 'utf8')) as WriteOrders;
let [written, alerts] = [0, 0];

function connection(to: keyof WriteOrders['ports']): RedisConnection {
  const { ports, ca, username, password } = orders;
  const at = { port: ports[to], tls: { ca, serverName: 'localhost' }, maxBackoffMs: 200 };
  return connectRedis({ ...at, username, password });
}

function sealedAlerts(): Buffer {
  const { channelKey, nodeId, run } = orders;
  const batch = { ...alertBatch('watched', alerts + 1, alerts + ALERTS), run };
  alerts += ALERTS;
  const bytes = Buffer.from(JSON.stringify(batch));
  return Buffer.from(sealEvents(Buffer.from(channelKey, 'base64'), nodeId, bytes));
}

function writing(): () => Promise<unknown> {
  const { kind, nodeId } = orders;
  const garbage = Buffer.alloc(kind === 'states' ? 4 * MIB : MIB, 'x');
  const to = connection(kind === 'states' ? 'redis' : 'redisEvents');
  if (kind === 'states')
    return () => to.run('a state', (client) => client.set(redisKeys.state(nodeId), garbage));
  const stream = redisKeys.events(nodeId);
  if (kind === 'garbage')
    return () => to.run('an entry', (client) => client.xadd(stream, '*', 'b', garbage));
  return () =>
    to.run('a batch', (client) =>
      client.xadd(stream, 'MAXLEN', KEPT_BATCHES, '*', 'b', sealedAlerts()),
    );
}

async function writeForEver(): Promise<never> {
  const write = writing();
  for (;;) {
    const taken = await write().then(
      () => true,
      () => false,
    );
    if (taken) written += 1;
    else await delay(WHEN_REFUSED_MS);
  }
}

function ringForEver(): void {
  const { kind, nodeId } = orders;
  const ring = JSON.stringify({ node: nodeId, what: kind === 'states' ? 'state' : 'events' });
  const bell = connection('redis');
  const once = (): void =>
    void bell
      .run('a ring', (client) => client.publish(redisKeys.bell(0), ring))
      .catch(() => undefined);
  setInterval(() => bell.connected && once(), RING_MS);
}

for (let i = 0; i < WRITERS; i += 1) void writeForEver();
ringForEver();
tellOften(orders.forMs, () => ({ done: written, standing: 0 }));
