import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { request } from 'node:https';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import type { RedisConnection } from '#redis';
import { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { eventually } from '../e2e/support/eventually.js';
import { Product } from '../e2e/support/product.js';
import { RedisValues } from '../e2e/support/redis-values.js';
import { StandIns } from '../e2e/support/stand-in-host.js';

jest.setTimeout(300_000);

const WITHIN_MS = 90_000;
/** An agent asks about Redis that was away for half a minute at its next minute. */
const AGENT_ASKS_WITHIN_MS = 200_000;

let product: Product;
let hosts: StandIns;
let bystander: RedisConnection;

beforeAll(async () => {
  product = await Product.up({ localAgent: true });
  hosts = await StandIns.of(product);
  bystander = hosts.connectionOf(await hosts.host('bystander'));
  await connected(bystander);
});
afterAll(async () => {
  hosts.close();
  await product.down();
});

const connected = (connection: RedisConnection) =>
  eventually('connected', WITHIN_MS, () => Promise.resolve(connection.connected));

const refused = (connection: RedisConnection) =>
  eventually('refused', WITHIN_MS, () =>
    Promise.resolve(!connection.connected && /WRONGPASS/.test(String(connection.lastError))),
  );

/** A request over HTTPS that shows the host's certificate. */
async function asHost(host: TestHost, path: string, token?: string) {
  const { url, ca } = await product.context();
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { ca, ...host.tlsIdentity, headers, agent: false };
    request(`${url}${path}`, options, resolve).on('error', reject).end();
  });
  return { status: answer.statusCode, text: await text(answer) };
}

describe('ATTACKER: an ex-host, with every key and secret it ever had', () => {
  let exHost: TestHost;

  it('ATTACKER: stays connected: its sessions end at once, the one of another host does not', async () => {
    exHost = await hosts.host('ex-host', 'env=prod');
    const sessions = [hosts.connectionOf(exHost), hosts.connectionOf(exHost)];
    for (const session of sessions) await connected(session);
    await exHost.receives();
    const since = performance.now();
    const ended = Promise.all(
      sessions.map((session) =>
        eventually('the session ends', WITHIN_MS, () => Promise.resolve(!session.connected)),
      ),
    );
    const said = await product.must(['node', 'revoke', 'ex-host', '--reason', 'disk was stolen']);
    expect(said.stdout).toMatch(/^node\/ex-host revoked at .*: disk was stolen$/m);
    await ended;
    process.stdout.write(
      `sessions ended ${Math.round(performance.now() - since)} ms after the command was typed, its start included\n`,
    );
    for (const session of sessions) await refused(session);
    expect(bystander.counters.disconnects).toBe(0);
  });

  it('ATTACKER: stays connected: how long after the answer of REST', async () => {
    const host = await hosts.host('measured');
    const session = hosts.connectionOf(host);
    await connected(session);
    const rest = await product.rest();
    const ended = new Promise<number>((resolve) => {
      const looking = setInterval(() => {
        if (session.connected) return;
        clearInterval(looking);
        resolve(performance.now());
      }, 1);
    });
    const since = performance.now();
    expect((await rest.post('/v1/nodes/measured/revoke', {})).status).toBe(200);
    const tookMs = (await ended) - since;
    process.stdout.write(`the session ended ${Math.round(tookMs)} ms after it was revoked\n`);
    expect(tookMs).toBeLessThan(20_000);
  });

  it('ATTACKER: logs in again after Redis, and then the control plane, was killed and after FLUSHALL', async () => {
    for (const name of ['redis', 'control plane']) {
      await product.signal(name, 'SIGKILL');
      await eventually('ready again', WITHIN_MS, async () => {
        return (await product.readiness()).status === 200;
      });
      await connected(bystander);
      await refused(hosts.connectionOf(exHost));
    }
    await (await RedisValues.of(product)).flushAll();
    await refused(hosts.connectionOf(exHost));
    expect(bystander.connected).toBe(true);
  });

  it('ATTACKER: renews, enrols again with a fresh token, and under another name: refused with the reason', async () => {
    const fresh = (): Promise<string> => product.joinToken();
    const renamed = { ...(await exHost.request(await fresh())) };
    const rest = await product.rest();
    const answers = [
      await exHost.enroll(''),
      await exHost.enroll(await fresh()),
      await rest.post('/v1/enroll', renamed, { token: null }),
    ];
    for (const { status, text: said } of answers)
      expect([status, said]).toEqual([403, expect.stringContaining('disk was stolen')]);
  });

  it('ATTACKER: shows its certificate on HTTPS, with a stolen admin token too: refused', async () => {
    const { token } = await product.context();
    for (const [path, bearer] of [
      ['/healthz', undefined],
      ['/v1/nodes', token],
      ['/v1/policies', token],
    ] as const) {
      const answer = await asHost(exHost, path, bearer);
      expect([path, answer.status, answer.text]).toEqual([
        path,
        403,
        expect.stringContaining('disk was stolen'),
      ]);
    }
    expect((await asHost(await hosts.host('honest'), '/healthz')).status).toBe(200);
  });

  it('is shown to the operator as revoked, with the reason, and is in the audit log', async () => {
    expect((await product.must(['get', 'nodes'])).stdout).toMatch(/^ex-host +revoked /m);
    const status = await product.cli(['status', 'node', 'ex-host']);
    expect([status.code, status.stdout]).toEqual([1, expect.stringContaining('disk was stolen')]);
    expect(status.stderr).toContain('is revoked');
    const auditLog = await (await product.rest()).get('/v1/audit-log?limit=100');
    expect(auditLog.text).toContain('"node.revoked"');
  });

  it('ATTACKER: was offboarded, and comes back under its old keys: refused; its name is free for new ones', async () => {
    const host = await hosts.host('offboarded');
    const session = hosts.connectionOf(host);
    await connected(session);
    await product.must(['delete', 'node', 'offboarded']);
    await refused(session);
    const again = await host.enroll(await product.joinToken());
    expect([again.status, again.text]).toEqual([403, expect.stringContaining('was offboarded')]);
    expect((await asHost(host, '/healthz')).status).toBe(403);
    const successor = new TestHost('offboarded', await product.rest());
    expect((await successor.enroll(await product.joinToken())).status).toBe(200);
  });
});

describe('a real agent whose host is revoked', () => {
  it('logs the reason, and goes on running: what it enforced stays', async () => {
    const name = hostname()
      .toLowerCase()
      .replace(/[^a-z0-9.]+/g, '-');
    const { agent } = (await product.record()).children;
    await product.must(['node', 'revoke', name, '--reason', 'sold']);
    await eventually('its log says why', AGENT_ASKS_WITHIN_MS, async () => {
      const log = await product.log('agent');
      return log.includes('"enrollment"') && /was revoked at \S+: sold/.test(log);
    });
    expect((await product.record()).children.agent).toBe(agent);
  });
});
