import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  generateSigningKey,
  loadSigner,
  signAuditLogHead,
  type HostSignedStatus,
  type AuditLogHead,
  type SignedDocument,
} from '#bundle';
import { redisKeys, type Page, type SignedStatusView } from '#contracts';
import { EtcdStore, etcdKeys } from '#etcd';
import { parse } from 'yaml';
import { eventually } from '../e2e/support/eventually.js';
import { blockProgram } from '../e2e/support/policies.js';
import { Product, type CliResult } from '../e2e/support/product.js';
import { RedisValues } from '../e2e/support/redis-values.js';
import { StandIns } from '../e2e/support/stand-in-host.js';
import { withAuditLog } from './support/audit-log-database.js';
import { LyingControlPlane } from './support/lying-control-plane.js';

jest.setTimeout(300_000);

const HEAD = etcdKeys.auditLog('head');
const SOON = 120_000;
let product: Product;
let etcd: EtcdStore;
let stand: StandIns | undefined;

/** A product with an agent of its own: it holds what the real control plane gives it, and signs it by its pace. */
beforeAll(async () => {
  product = await Product.up({ localAgent: true });
  const config = parse(await readFile(at('control-plane.yaml'), 'utf8')) as {
    etcd: { hosts: string[]; tls: { ca: string; cert: string; key: string } };
  };
  const { ca, cert, key } = config.etcd.tls;
  etcd = EtcdStore.connect({
    hosts: config.etcd.hosts,
    credentials: {
      ...{ ca: await readFile(ca), cert: await readFile(cert), key: await readFile(key) },
    },
  });
  stand = await StandIns.of(product);
});
afterAll(async () => {
  stand?.close();
  etcd?.close();
  await product.down();
});

const at = (name: string): string => join(product.dataDir, 'control-plane', name);

/** Something that the audit log tells; answers the number of the entry. */
async function act(count: number): Promise<number> {
  const rest = await product.rest();
  for (let i = 0; i < count; i += 1) {
    const made = await rest.post('/v1/api-tokens', { name: 'x', roles: ['viewer'] });
    expect(made.status).toBe(201);
  }
  return newestSeq();
}

function newestSeq(): number {
  return withAuditLog(product, (db) =>
    Number(db.prepare('SELECT max(seq) AS n FROM entries').get()?.['n']),
  );
}

/** An operator who has never asked before: nothing is kept on his machine, so that hosts alone can know. */
async function verifyAsNewcomer(): Promise<CliResult> {
  const { url, token, ca } = await product.context();
  const caFile = join(product.dataDir, 'ca-of-newcomer.pem');
  await writeFile(caFile, ca);
  const env = { HOSTWARD_URL: url, HOSTWARD_TOKEN: token, HOSTWARD_CA: caFile };
  const XDG_CONFIG_HOME = join(product.dataDir, `newcomer-${(newcomers += 1)}`);
  return product.cli(['audit-log', 'verify'], { env: { ...env, XDG_CONFIG_HOME } });
}
let newcomers = 0;

/** What hosts say of themselves now; of the stand-in that lies only where it is asked for. */
async function said(by = (node: string) => node !== 'liar'): Promise<readonly HostSignedStatus[]> {
  const { body } = await (await product.rest()).get('/v1/signed-statuses');
  const { items } = body as unknown as Page<SignedStatusView>;
  return items.flatMap(({ node, signedStatus }) => {
    const { payload } = (signedStatus ?? {}) as Partial<SignedDocument>;
    return payload === undefined || !by(node) ? [] : [contentOf<HostSignedStatus>(payload)];
  });
}

/** Heads that they say to have seen. */
async function held(by?: (node: string) => boolean): Promise<readonly AuditLogHead[]> {
  return (await said(by)).flatMap(({ auditLog }) => auditLog.map(headIn));
}

const agentStart = async (): Promise<number> => (await said())[0]?.bootedAt ?? 0;

function headIn(signed: unknown): AuditLogHead {
  return contentOf<AuditLogHead>((signed as SignedDocument).payload);
}

function contentOf<T>(payload: string): T {
  return JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as T;
}

/** The control plane itself says in `/readyz` that hosts have seen another audit log, without being asked to verify. */
const alarmed = (words: RegExp) =>
  eventually('the control plane raises the alarm', SOON, async () => {
    const { status, checks } = await product.readiness();
    return status === 200 && words.test(checks['audit-log-heads']?.detail ?? '');
  });

const hostHolds = (seq: number) =>
  eventually(`the host says that it has seen ${seq}`, SOON, async () => {
    return (await held()).some((head) => head.seq >= seq);
  });

describe('the head of the audit log, which hosts hold', () => {
  it('reaches the host, is signed by it, and is found in the audit log', async () => {
    const seq = await act(6);
    await hostHolds(seq);
    const { code, stdout } = await verifyAsNewcomer();
    expect([code, stdout]).toEqual([0, expect.stringContaining('1 host holds heads of it')]);
  });

  it('is kept on the disk of the host, in few heads, and told again after a restart of the agent', async () => {
    const kept = join(product.dataDir, 'agent/state/agent/audit-log-heads.json');
    const { heads } = JSON.parse(await readFile(kept, 'utf8')) as {
      heads: readonly { head: AuditLogHead }[];
    };
    expect(heads.length).toBeLessThan(9);
    const before = await agentStart();
    await product.signal('agent', 'SIGKILL');
    await eventually('the agent speaks again', SOON, async () => {
      return (await agentStart()) > before;
    });
    const newest = heads.at(-1)?.head.seq ?? 0;
    expect((await held()).some(({ seq }) => seq >= newest)).toBe(true);
  });

  it('comes with what the host really enforces, which its node id verifies', async () => {
    const [node = ''] = (await product.must(['get', 'nodes', '-o', 'name'])).stdout.split('\n');
    const name = node.replace(/^node\//, '');
    const id = await readFile(join(product.dataDir, 'agent/state/trust/node-id'), 'utf8');
    const verify = ['status', 'node', name, '--verify', '--node-id', id.trim()];
    expect((await product.must(verify)).stdout).toContain('No policy is in force.');
    await product.must(['label', 'node', name, 'env=here']);
    await product.apply(blockProgram('block', '/usr/bin/sleep', { env: 'here' }));
    // This agent only observes, and says so of each rule.
    await eventually('the host says what it makes of the policy', SOON, async () => {
      const { code, stderr } = await product.cli(verify);
      return code === 1 && stderr.includes('rules of block are not in force: 1 unsupported');
    });
    const stated = (await said())[0]?.policies;
    expect(stated).toEqual([
      {
        name: 'block',
        document: { version: 1, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
        states: { unsupported: 1 },
      },
    ]);
  });

  it('ATTACKER: a control plane that was taken over signs an audit log of its own by a key of its own', async () => {
    const liar = await LyingControlPlane.before(product);
    const { keyid, key, privateKey } = generateSigningKey();
    const forged = (truth: unknown) => {
      const { payload } = (truth as { head: SignedDocument }).head;
      const head = signAuditLogHead(contentOf(payload), loadSigner(privateKey));
      return { head, keys: [{ keyid, key }] };
    };
    liar.lie = (path, truth) => (path === '/v1/audit-log/head' ? forged(truth) : undefined);
    const root = join(product.dataDir, 'kept-root.json');
    await product.must(['root', 'show', '--save', root]);
    const args = ['audit-log', 'verify', '--root', root];
    const { code, stderr } = await product.cli(args, { env: await liar.env() });
    expect([code, stderr]).toEqual([1, expect.stringContaining('not signed by the key')]);
    // Who has no root document to believe has the hosts at least, and is told.
    const newcomer = { ...(await liar.env()), XDG_CONFIG_HOME: join(product.dataDir, 'new') };
    const asked = await product.cli(['audit-log', 'verify'], { env: newcomer });
    expect(asked.stderr).toContain('heads of a key that is not known here');
    await liar.stop();
  });

  it('ATTACKER: the owner of Redis gives heads of its own to the hosts', async () => {
    const redis = await RedisValues.of(product);
    const own = loadSigner(generateSigningKey().privateKey);
    const forged = signAuditLogHead({ v: 1, seq: 9_000, hash: 'f'.repeat(64), at: 1 }, own);
    const messages = [
      { auditLog: forged },
      { auditLog: 7 },
      { auditLog: { ...forged, payload: 'x' } },
    ];
    for (const data of messages)
      await redis.publish(redisKeys.check, JSON.stringify({ pattern: redisKeys.check, data }));
    await hostHolds(await act(1));
    expect((await held()).filter(({ seq }) => seq >= 9_000)).toEqual([]);
    expect((await verifyAsNewcomer()).code).toBe(0);
  });

  it('ATTACKER: an enrolled host cries wolf, with heads that it made up', async () => {
    const liar = await stand?.host('liar');
    await liar?.receives();
    const own = loadSigner(generateSigningKey().privateKey);
    const heads = [signAuditLogHead({ v: 1, seq: 9_000, hash: 'f'.repeat(64), at: 1 }, own)];
    await liar?.report('enforced', {}, liar.state({ auditLog: heads }));
    await eventually('the control plane has it', SOON, async () => {
      return (await held((node) => node === 'liar')).length > 0;
    });
    const { code, stderr } = await verifyAsNewcomer();
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining('only heads of a key that is not known here: liar'),
    ]);
    expect((await product.readiness()).status).toBe(200);
  });
});

describe('ATTACKER: the owner of etcd, of the store and of the online key', () => {
  let end: number;

  it('ATTACKER: sets store and head of etcd back to an older end, as a restore does', async () => {
    end = await act(8);
    await hostHolds(end);
    const older = end - 5;
    const body = withAuditLog(product, (db) => {
      const row = db.prepare('SELECT body FROM entries WHERE seq = ?').get(older);
      db.prepare('DELETE FROM entries WHERE seq > ?').run(older);
      return String(row?.['body']);
    });
    await etcd.transact({ then: [{ type: 'put', key: HEAD, value: body }] });
    const { code, stderr } = await verifyAsNewcomer();
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/saw entries up to \d+, now it ends/),
    ]);
    expect(stderr).toContain(`first bad entry ${older + 1}:`);
    await alarmed(/but the audit log ends at \d+/);
  });

  it('ATTACKER: goes on from there as if nothing had been, beyond what the hosts have seen', async () => {
    const beyond = await act(12);
    expect(beyond).toBeGreaterThan(end);
    await hostHolds(beyond);
    const { code, stderr } = await verifyAsNewcomer();
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/it is not the one that host \S+ saw/),
    ]);
    await alarmed(/but the audit log has another one, or none/);
    const metrics = (await (await product.rest()).get('/metrics')).text;
    expect(metrics).toContain('hostward_audit_log_alarm 1');
    expect(await product.log('control-plane')).toContain('hosts have seen another audit log');
  });
});
