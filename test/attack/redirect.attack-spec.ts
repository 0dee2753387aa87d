import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import {
  loadSigner,
  rootBinding,
  signRedirect,
  trustRoot,
  type RedirectDocument,
  type SignedDocument,
  type TrustedRoot,
} from '#bundle';
import type { NodeStatus, RedirectView } from '#contracts';
import { createAuthority, fingerprint, type KeyAndCertificate } from '#pki';
import { eventually } from '../e2e/support/eventually.js';
import { blockProgram } from '../e2e/support/policies.js';
import { Product } from '../e2e/support/product.js';
import { restoredElsewhere } from '../e2e/support/restored-elsewhere.js';
import { AttackedHost, onAttackedHost } from './support/attacked-host.js';
import { HostileControlPlane } from './support/hostile-control-plane.js';
import { RedirectedHost } from './support/redirected-host.js';

const MINUTE = 60_000;
jest.setTimeout(5 * MINUTE);

const PROD = { env: 'prod' };

/** The control plane that hosts begin at; one restored of it, elsewhere and with another CA; one of before an epoch. */
let first: Product;
let second: Product;
let old: Product;
/** A host whose sensor and compiler run too, and one whose control plane is its attacker. */
let web1: RedirectedHost;
let sensor: AttackedHost;
let web2: RedirectedHost;
let hostile: HostileControlPlane;
let node2: string;
let stranger: KeyAndCertificate;
let root: TrustedRoot;

const pki = (of: Product, name: string): string =>
  readFileSync(join(of.dataDir, 'control-plane/pki', name), 'utf8');
const authorityOf = (of: Product): KeyAndCertificate => ({
  certificatePem: pki(of, 'authority.pem'),
  privateKeyPem: pki(of, 'ca.key'),
});
const keyOf = (name: string) =>
  loadSigner(readFileSync(join(first.dataDir, 'control-plane/keys', name), 'utf8').trim());
const at = (...names: string[]): string => join(first.dataDir, '..', ...names);
const url = (of: Product): string => `https://127.0.0.1:${of.port}`;
const caOf = (of: Product): string => fingerprint(pki(of, 'authority.pem'));

beforeAll(async () => {
  if (AttackedHost.parser === undefined) return;
  first = await Product.up();
  stranger = await createAuthority({ name: 'stranger', days: 1 });
  hostile = await HostileControlPlane.start(authorityOf(first), first);
  const caFingerprint = caOf(first);
  web1 = new RedirectedHost('web1', at('web1'), { url: url(first), caFingerprint });
  web2 = new RedirectedHost('web2', at('web2'), { url: hostile.url, caFingerprint });
  sensor = await AttackedHost.start(await web1.enrol(await first.joinToken('env=prod'), {}));
  await web1.configure({ sensorSocket: sensor.socket });
  node2 = (await web2.enrol(await first.joinToken('env=other'), { enforcer: 'observe' })).nodeId;
  for (const host of [web1, web2]) host.start();
  await first.apply(blockProgram('before', '/usr/bin/sleep', PROD));
  await enforces('before');
  await first.must(['backup', `--data-dir=${first.dataDir}`, `--out=${at('old.backup')}`]);
  await first.must(['recover', '--yes']);
  root = trustRoot((await roots()).at(-1));
  await eventually('web1 is in the new epoch', MINUTE, async () => (await sensor.epoch()) === '2');
  await first.must(['backup', `--data-dir=${first.dataDir}`, `--out=${at('new.backup')}`]);
}, 5 * MINUTE);

afterAll(async () => {
  for (const host of [web1, web2]) await host?.kill();
  await sensor?.stop();
  await hostile?.stop();
  for (const product of [second, old, first]) await product?.down();
}, MINUTE);

async function enforces(...names: string[]): Promise<void> {
  await eventually(`the sensor enforces ${names.join()}`, MINUTE, async () => {
    const has = (await sensor.enforced()).map((line) => line.split(' ')[0]).toSorted();
    return has.join() === names.toSorted().join();
  });
}

async function roots(): Promise<readonly SignedDocument[]> {
  const { body } = await (await first.rest()).get('/v1/roots');
  return body['roots'] as unknown as SignedDocument[];
}

/** An order for the second host as its attacker would like it, by the true root key unless it is another's. */
function order(over: object, signer = keyOf('root.key')): SignedDocument {
  const now = Date.now();
  const document = {
    ...{ v: 1, issuedAt: now, root: rootBinding(root), target: { nodeIds: [node2] }, reason: 'x' },
    ...{ to: { url: 'https://127.0.0.1:9', caFingerprint: '00'.repeat(32) } },
    ...{ notBefore: now, expiresAt: now + MINUTE, ...over },
  };
  return signRedirect(document as RedirectDocument, [signer]);
}

/** The code by which web2 refuses an offer of its control plane, as that is told. */
async function refusal(redirect: unknown, code: string): Promise<void> {
  hostile.answers = { 'GET /v1/redirects/offered': { redirect, roots: await roots() } };
  await web2.restart();
  await eventually(`web2 says ${code}`, MINUTE, async () => {
    const { redirect: said } = await first.nodeStatus('web2');
    return said?.state === 'redirect-failed' && said.code === code;
  });
  expect(await web2.whither()).toEqual({ url: hostile.url, by: 'agent.yaml' });
}

const redirect = (of: Product, ...args: string[]) => of.must(['redirect', ...args]);
async function redirectTo(to: Product, node: string, by = first): Promise<RedirectView> {
  const fingerprintOfIt = `sha256:${caOf(to)}`;
  const { stdout } = await redirect(
    ...([by, '--to', url(to), '--ca-fingerprint', fingerprintOfIt] as const),
    ...['--node', node, '--reason', 'another data centre'],
  );
  return shown(by, /redirect\/(\d+)/.exec(stdout)?.[1] ?? '');
}
async function shown(by: Product, id: string): Promise<RedirectView> {
  return JSON.parse((await redirect(by, 'show', id, '-o', 'json')).stdout) as RedirectView;
}
const statusAt = async (of: Product, node: string): Promise<NodeStatus> => of.nodeStatus(node);

onAttackedHost('a control plane that moves', () => {
  it('ATTACKER: owner of the control plane, has an order of its own: signed by the online key, or changed', async () => {
    await refusal(order({}, keyOf('online.key')), 'unknown-key');
    const signed = order({});
    const payload = Buffer.from(signed.payload, 'base64').toString().replace(':9', ':8');
    const changed = { ...signed, payload: Buffer.from(payload).toString('base64') };
    await refusal(changed, 'bad-signature');
  });

  it('ATTACKER: owner of the control plane, uses an order that is for another host, another fleet or another time', async () => {
    await refusal(order({ target: { nodeIds: ['ab'.repeat(32)] } }), 'not-for-this-node');
    await refusal(order({ root: { version: 2, digest: 'cd'.repeat(32) } }), 'root-mismatch');
    await refusal(order({ notBefore: 1, expiresAt: Date.now() - 1 }), 'expired');
    await refusal(order({ issuedAt: Date.now() + 60 * MINUTE }), 'not-yet-valid');
  });

  it('ATTACKER: holder of the admin token, has the control plane take an order that root keys did not sign', async () => {
    const rest = await first.rest();
    const answer = await rest.post('/v1/redirects', order({}, keyOf('online.key')));
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining('no key')]);
  });

  it('ATTACKER: owner of the address, has not the CA: nothing is sent to it', async () => {
    const rogue = await HostileControlPlane.start(stranger);
    await refusal(order({ to: { url: rogue.url, caFingerprint: caOf(first) } }), 'ca-not-pinned');
    expect(rogue.asked).toEqual([]);
    await rogue.stop();
  });

  it('ATTACKER: owner of the address and of its CA, is of no fleet, or passes questions on to the true control plane', async () => {
    const to = { caFingerprint: fingerprint(stranger.certificatePem) };
    const rogue = await HostileControlPlane.start(stranger);
    rogue.answers = { 'POST /v1/redirects/proof': { proof: {}, roots: [] } };
    await refusal(order({ to: { url: rogue.url, ...to } }), 'malformed');
    await rogue.stop();
    const relay = await HostileControlPlane.start(stranger, first);
    await refusal(order({ to: { url: relay.url, ...to } }), 'no-proof');
    expect(relay.asked).not.toContain('POST /v1/enroll');
    await relay.stop();
  });

  it('ATTACKER: owner of the control plane, replays an order after the one that ended it', async () => {
    const before = order({});
    const issuedAt = Date.now() + 1;
    const {
      v,
      root: bound,
      target,
      reason,
    } = JSON.parse(Buffer.from(before.payload, 'base64').toString()) as RedirectDocument;
    const stay = { v, issuedAt, root: bound, target, reason, stay: true } as const;
    hostile.answers = {
      'GET /v1/redirects/offered': {
        redirect: signRedirect(stay, [keyOf('root.key')]),
        roots: await roots(),
      },
    };
    await web2.restart();
    await eventually('web2 stays', MINUTE, () =>
      Promise.resolve(web2.log.includes('redirects are ended')),
    );
    await refusal(before, 'document-rollback');
  });

  it('is ordered by as many holders of root keys as it takes, from a file, and ended before it is followed', async () => {
    const to = ['--to', 'https://127.0.0.1:9', '--ca-fingerprint', `sha256:${'0'.repeat(64)}`];
    const who = ['--node', 'web2', '--reason', 'by hand'];
    const wrong = await first.cli(['redirect', '--to', 'http://x', ...to.slice(2), ...who]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('https://HOST:PORT')]);
    const file = at('move.json');
    expect((await redirect(first, ...to, ...who, '--draft', file)).stdout).toContain(node2);
    const early = await first.cli(['redirect', 'publish', file]);
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('nobody has signed')]);
    const key = join(first.dataDir, 'control-plane/keys/root.key');
    await redirect(first, 'sign', file, '--key-file', key);
    const { stdout } = await redirect(first, 'publish', file);
    const id = /redirect\/(\d+): in-force, web2 to/.exec(stdout)?.[1] ?? '';
    expect((await shown(first, id)).hosts).toMatchObject({ waiting: 1, waitingNames: ['web2'] });
    const ended = await redirect(first, 'end', id, '--reason', 'postponed');
    expect(ended.stdout).toContain('web2 stay where they are');
    expect((await shown(first, id)).state).toBe('superseded');
  });

  it('refuses a control plane of an epoch before as a rollback, and enforces on', async () => {
    old = await restoredElsewhere(at('old.backup'));
    const { envelope } = await redirectTo(old, 'web2');
    await refusal(envelope, 'root-rollback');
    await enforces('before');
  });

  it('follows to the one that was restored elsewhere with another CA, which is then the one that counts', async () => {
    second = await restoredElsewhere(at('new.backup'));
    expect(caOf(second)).not.toBe(caOf(first));
    const config = readFileSync(web1.configFile, 'utf8');
    const { id } = await redirectTo(second, 'web1');
    await eventually('web1 has gone', 2 * MINUTE, async () => {
      const { hosts } = await shown(first, id);
      return hosts?.redirected === 1;
    });
    await enforces('before');
    await eventually('the second one is confirmed', MINUTE, async () => {
      const { connected, redirect: said } = await statusAt(second, 'web1');
      return connected && said?.state === 'followed';
    });
    expect(await web1.whither()).toEqual({ url: url(second), by: 'redirect' });
    await second.apply(blockProgram('after', '/usr/bin/nc', PROD));
    await enforces('before', 'after');
    expect(readFileSync(web1.configFile, 'utf8')).toBe(config);
    expect((await redirect(first, 'list')).stdout).toContain('in-force');
    // What the first one recorded in the audit log after the backup, the order itself, is no part of this audit log, and no sign of tampering.
    await eventually('web1 has signed what it saw', MINUTE, async () =>
      (await second.must(['audit-log', 'verify'])).stdout.includes('1 host holds heads of it'),
    );
  });

  it('is there again after a power cut, with the first one away, and a play that runs again changes nothing', async () => {
    expect(await web1.enrolAgain('unused')).toContain('already enrolled as web1');
    await first.stop();
    await web1.restart();
    await second.apply(blockProgram('alone', '/usr/bin/true', PROD));
    await enforces('before', 'after', 'alone');
    // Commit-confirm goes by the new address: the one before is away.
    await eventually(
      'the swap is confirmed',
      MINUTE,
      async () => (await sensor.confirmation()) === 'confirmed',
    );
    await first.start();
  });

  it('ATTACKER: whoever orders it back and forth: the one before is behind, so there is no way back to it', async () => {
    await redirectTo(first, 'web1', second);
    await eventually('web1 refuses', MINUTE, async () => {
      const { connected, redirect: said } = await statusAt(second, 'web1');
      return connected && said?.code === 'stale-order';
    });
    expect(await web1.whither()).toEqual({ url: url(second), by: 'redirect' });
    await enforces('before', 'after', 'alone');
  });

  it('ATTACKER: owner of Redis, swallows everything: the host hears of the order all the same', async () => {
    const { envelope } = await redirectTo(second, 'web2');
    hostile.answers = { 'GET /v1/redirects/offered': { redirect: envelope, roots: await roots() } };
    await first.signal('redis', 'SIGSTOP');
    try {
      await web2.restart();
      await eventually('web2 is at the second one', 2 * MINUTE, async () => {
        const { connected, redirect: said } = await statusAt(second, 'web2');
        return connected && said?.state === 'followed';
      });
    } finally {
      await first.signal('redis', 'SIGCONT');
    }
  });
});
