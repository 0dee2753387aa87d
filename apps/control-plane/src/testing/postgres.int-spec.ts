import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AUDIT_LOG_START, brokenAuditLogAt, verifyAuditLogHead, type AuditLogEntry } from '#bundle';
import type { PostgresServer } from '#testing';
import { backup } from '../commands/backup/backup.js';
import { moveStore } from '../commands/move-store.js';
import { eventually } from './eventually.js';
import { Rig, blockPolicy } from './rig.js';
import type { Rest } from './rest.js';
import { alertBatch } from './alerts.js';
import type { TestHost } from './test-host.js';

let rig: Rig;
let postgres: PostgresServer;
let other: Rest;
let host: TestHost;
beforeAll(async () => {
  rig = await Rig.prepare();
  postgres = await rig.usePostgres();
  await rig.startControlPlane();
  await rig.ready();
  other = await rig.startReplica();
  await eventually('the replica is ready', async () => (await other.get('/readyz')).status === 200);
  host = await rig.host('web1', { env: 'prod' });
});
afterAll(() => rig.stop());

const policy = (name: string): string => blockPolicy(name, `/usr/bin/${name}`, { env: 'prod' });
const numbersOf = async (rest: Rest): Promise<readonly number[]> => {
  const { items } = (await rest.get('/v1/alerts?limit=1000')).body as {
    items?: readonly { EventID: string }[];
  };
  return (items ?? []).map(({ EventID }) => Number(EventID.split('-')[1]));
};
const upTo = (last: number) => Array.from({ length: last }, (_, index) => last - index);
const hasCursor = (last: number) =>
  eventually(`cursor ${last}`, async () => {
    return (await host.cursor()) === `1000-${String(last).padStart(10, '0')}`;
  });

/** As `hostward audit-log verify` does it. */
async function verified(rest: Rest): Promise<readonly AuditLogEntry[]> {
  const { head, keys } = (await rest.get('/v1/audit-log/head')).body as {
    head?: unknown;
    keys?: Parameters<typeof verifyAuditLogHead>[1];
  };
  const answer = (await rest.get('/v1/audit-log?from=1&limit=1000')).body;
  const entries = answer['items'] as unknown as readonly AuditLogEntry[];
  const { seq, hash } = verifyAuditLogHead(head, keys ?? []);
  expect(brokenAuditLogAt(AUDIT_LOG_START, entries)).toBeUndefined();
  expect(entries.find((each) => each.seq === seq)?.hash).toBe(hash);
  return entries;
}

/** Policies in the order in which the audit log tells of them. */
function applied(entries: readonly AuditLogEntry[]): readonly string[] {
  const told = entries.filter(({ action }) => action === 'apply');
  return told.map(({ detail }) => /\/(\w+) created/.exec(JSON.stringify(detail))?.[1] ?? '');
}

describe('two control planes on one PostgreSQL', () => {
  it('store what a host sends once, and both answer with it', async () => {
    await rig.rest.post('/v1/apply', policy('nc'));
    await host.receives('nc');
    await host.send(alertBatch('nc', 1, 3));
    await hasCursor(3);
    await host.send(alertBatch('nc', 2, 5));
    await hasCursor(5);
    for (const rest of [rig.rest, other]) expect(await numbersOf(rest)).toEqual(upTo(5));
  });

  it('keep one audit log that both can verify, whoever was told', async () => {
    await other.post('/v1/apply', policy('nmap'));
    await rig.rest.post('/v1/apply', policy('socat'));
    const [one, two] = [await verified(rig.rest), await verified(other)];
    // The control planes may have told something of their own in between.
    expect(two.slice(0, one.length)).toEqual(one);
    expect(applied(one)).toEqual(['nc', 'nmap', 'socat']);
  });

  it('lose nothing while it is away, say so, refuse writes, and go on when it is back', async () => {
    await postgres.kill9();
    for (const rest of [rig.rest, other])
      await eventually('not ready', async () => {
        const { status, text } = await rest.get('/readyz');
        return status === 503 && /PostgreSQL at [^"]* is away: [^"]*; alerts wait/.test(text);
      });
    await host.send(alertBatch('nc', 6, 8));
    await host.send(alertBatch('nc', 9, 9));
    expect((await rig.rest.get('/v1/alerts')).status).toBe(503);
    expect((await rig.rest.get('/v1/audit-log')).status).toBe(503);
    const answers = [
      await other.post('/v1/apply', policy('a')),
      await other.post('/v1/apply', policy('b')),
    ];
    expect(answers.at(-1)?.status).toBe(503);
    const findings = (await rig.rest.get('/v1/diagnosis')).text;
    expect(findings).toMatch(/"check":"alerts"[^}]*PostgreSQL[^}]*store\.postgresql/);
    expect(await host.cursor()).toBe('1000-0000000005');

    await postgres.restart();
    await hasCursor(9);
    expect(await numbersOf(other)).toEqual(upTo(9));
    await eventually('ready', async () => (await other.get('/readyz')).status === 200);
    await rig.ready();
    expect((await other.post('/v1/apply', policy('c'))).status).toBe(200);
    const [one, two] = [await verified(rig.rest), await verified(other)];
    const told = applied(one).slice(3);
    const stored = answers.flatMap(({ status }, index) => (status === 200 ? ['ab'[index]] : []));
    expect(told).toEqual([...stored, 'c']);
    expect(two.slice(0, one.length)).toEqual(one);
  });

  it('never write the password into their log', () => {
    expect(rig.lines.join('')).not.toContain(postgres.password);
  });
});

describe('a control plane whose store is moved into PostgreSQL', () => {
  it('goes on with its audit log and its alerts, and nothing is moved twice', async () => {
    const moving = await Rig.start();
    try {
      const web = await moving.host('web1', { env: 'prod' });
      const db = await moving.host('db1');
      await Promise.all([web.receives(), db.receives()]);
      await web.send(alertBatch('nc', 1, 2));
      await db.send(alertBatch('nc', 1, 2));
      const both = async () => (await numbersOf(moving.rest)).length === 4;
      await eventually('both are stored', both);
      const [before, alerts] = [await verified(moving.rest), await numbersOf(moving.rest)];
      await moving.stopControlPlane();
      await moving.usePostgres();
      const config = moving.configFile();
      const left = { alerts: 0, telemetryEvents: 0 };
      const all = { alerts: 4, telemetryEvents: 0, auditLog: expect.any(Number), left };
      expect(await moveStore(config)).toEqual(all);
      expect(await moveStore(config)).toEqual({ alerts: 0, telemetryEvents: 0, auditLog: 0, left });
      await moving.startControlPlane();
      await moving.ready();
      expect((await verified(moving.rest)).slice(0, before.length)).toEqual(before);
      expect(await numbersOf(moving.rest)).toEqual(alerts);
      const made = await backup({ config, out: `${config}.backup` });
      expect(made.members.filter((member) => member.endsWith('.db'))).toEqual(['etcd.db']);
      expect(made.elsewhere.join()).toMatch(/database hostward of PostgreSQL at 127\.0\.0\.1:\d+/);
    } finally {
      await moving.stop();
    }
  });

  it('is told of alerts that stay in the files, since the database has later ones of their host', async () => {
    const moving = await Rig.start();
    try {
      const web = await moving.host('web1', { env: 'prod' });
      const db = await moving.host('db1');
      await Promise.all([web.receives(), db.receives()]);
      await web.send(alertBatch('nc', 1, 2));
      await db.send(alertBatch('nc', 1, 3));
      const stored = (count: number) => async () => (await numbersOf(moving.rest)).length === count;
      await eventually('all are stored', stored(5));
      await moving.stopControlPlane();
      await moving.usePostgres();
      await moving.startControlPlane();
      await moving.ready();
      await web.send(alertBatch('nc', 3, 3));
      await eventually('it is stored', stored(1));
      await moving.stopControlPlane();
      const moved = await moveStore(moving.configFile());
      expect(moved).toMatchObject({ alerts: 3, left: { alerts: 2, telemetryEvents: 0 } });
      await moving.startControlPlane();
      await moving.ready();
      expect(await numbersOf(moving.rest)).toEqual([3, 2, 1, 3]);
    } finally {
      await moving.stop();
    }
  });
});
