import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  loadSigner,
  rootBinding,
  signRedirect,
  signRoot,
  trustRoot,
  verifyFleetProof,
  type RedirectDocument,
  type SignedDocument,
  type TrustedRoot,
} from '#bundle';
import { etcdKeys, EtcdStore } from '#etcd';
import { loadMaterial } from '../config/material.js';
import { readConfig } from '../config/read-config.js';
import { eventually } from '../testing/eventually.js';
import { Rig } from '../testing/rig.js';
import type { TestHost } from '../testing/test-host.js';

const DAY_MS = 86_400_000;

let rig: Rig;
let web1: TestHost;
let web2: TestHost;
let root: TrustedRoot;
let issuedAt: number;

beforeAll(async () => {
  rig = await Rig.start();
  [web1, web2] = [await rig.host('web1'), await rig.host('web2')];
  await newestRoot();
  issuedAt = Date.now() - 60_000;
});
afterAll(() => rig.stop());

async function newestRoot(): Promise<void> {
  const roots = (await rig.rest.get('/v1/roots')).body['roots'] as unknown as SignedDocument[];
  root = trustRoot(roots.at(-1));
}

const rootKey = () =>
  loadSigner(readFileSync(join(dirname(rig.files.configFile), 'keys/root.key'), 'utf8').trim());
/** Each is later than the one before. */
function order(over: object = {}): SignedDocument {
  issuedAt += 1;
  const document = {
    ...{ v: 1, issuedAt, root: rootBinding(root), target: { all: true }, reason: 'moved' },
    ...{ to: { url: 'https://new.example:7443', caFingerprint: 'cd'.repeat(32) } },
    ...{ notBefore: issuedAt, expiresAt: issuedAt + DAY_MS, ...over },
  };
  return signRedirect(document as RedirectDocument, [rootKey()]);
}
const stay = (): SignedDocument => {
  issuedAt += 1;
  const common = { v: 1, issuedAt, root: rootBinding(root), target: { all: true } } as const;
  return signRedirect({ ...common, reason: 'postponed', stay: true }, [rootKey()]);
};
const publish = (signed: unknown) => rig.rest.post('/v1/redirects', signed);
const state = async (id: number): Promise<unknown> =>
  (await rig.rest.get(`/v1/redirects/${id}`)).body['state'];

/** What the host is told over its own certificate; the status where it is told nothing. */
function offered({ tlsIdentity }: Pick<TestHost, 'tlsIdentity'>): Promise<unknown> {
  const ca = readFileSync(rig.files.caFile, 'utf8');
  return new Promise((resolve, reject) => {
    const path = new URL('/v1/redirects/offered', rig.rest.url);
    const outgoing = request(path, { ca, ...tlsIdentity, agent: false }, (answer) => {
      const { statusCode } = answer;
      text(answer).then(
        (body) =>
          resolve(
            statusCode === 200 ? (JSON.parse(body) as { redirect?: unknown }).redirect : statusCode,
          ),
        reject,
      );
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}

describe('redirects', () => {
  it('are offered to the hosts that they name, who prove who they are', async () => {
    const signed = order({ target: { nodeIds: [web1.nodeId] } });
    const made = await publish(signed);
    expect([made.status, made.body['state']]).toEqual([200, 'in-force']);
    expect(await offered(web1)).toEqual(signed);
    expect(await offered(web2)).toBeUndefined();
    expect(await offered({ tlsIdentity: {} as TestHost['tlsIdentity'] })).toBe(401);
  });

  it('give way to a later one, and one that is older is not taken any more', async () => {
    const first = issuedAt;
    const later = order();
    expect((await publish(later)).status).toBe(200);
    expect([await state(first), await state(issuedAt)]).toEqual(['superseded', 'in-force']);
    for (const host of [web1, web2]) expect(await offered(host)).toEqual(later);
    issuedAt -= 2;
    const old = await publish(order());
    expect([old.status, old.text]).toEqual([409, expect.stringContaining('is newer')]);
    issuedAt += 1;
  });

  it('are ended by one that says so, which hosts are told', async () => {
    const ended = issuedAt;
    const signed = stay();
    expect((await publish(signed)).body['state']).toBe('ends-others');
    expect(await state(ended)).toBe('superseded');
    expect(await offered(web2)).toEqual(signed);
  });

  it('are not offered before their time', async () => {
    const made = await publish(order({ notBefore: Date.now() + DAY_MS / 2 }));
    expect(made.body['state']).toBe('planned');
    expect(await offered(web1)).toBeUndefined();
  });

  it.each([
    ['has expired', () => order({ notBefore: 1, expiresAt: 2 }), 'has expired'],
    ['lasts too long', () => order({ expiresAt: issuedAt + 91 * DAY_MS }), '90 days'],
    [
      'names a host that is not there',
      () => order({ target: { nodeIds: ['ef'.repeat(32)] } }),
      'no host',
    ],
    [
      'is of the future',
      () => order({ issuedAt: Date.now() + DAY_MS, expiresAt: Date.now() + 2 * DAY_MS }),
      'future',
    ],
    [
      'is bound to another fleet',
      () => order({ root: { version: 1, digest: 'ef'.repeat(32) } }),
      'fleet',
    ],
    ['is none', () => ({ v: 1 }), 'hosts would not follow'],
  ])('are refused where one %s', async (_what, make, words) => {
    const answer = await publish(make());
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining(words)]);
  });

  it('that a writer of etcd has put there lead nobody anywhere', async () => {
    const signed = order();
    const forged = {
      ...signed,
      signatures: [{ keyid: rootKey().keyid, sig: `${'A'.repeat(86)}==` }],
    };
    const value = { v: 1, envelope: forged, by: 'nobody', at: new Date().toISOString() };
    const key = etcdKeys.redirect(String(issuedAt));
    const store = EtcdStore.connect({
      hosts: [`https://127.0.0.1:${rig.etcd.port}`],
      credentials: loadMaterial(readConfig(rig.files.configFile)).etcd,
    });
    try {
      await store.transact({ then: [{ type: 'put', key, value: JSON.stringify(value) }] });
    } finally {
      store.close();
    }
    await eventually('it is seen', async () => (await state(issuedAt)) === 'void');
    expect(await offered(web1)).toBeUndefined();
  });

  it('are void once another root document is in force', async () => {
    const signed = order();
    await publish(signed);
    expect(await offered(web1)).toEqual(signed);
    const { document } = root;
    const next = signRoot({ ...document, version: document.version + 1, epoch: '2' }, [rootKey()]);
    expect((await rig.rest.post('/v1/roots', next)).status).toBe(200);
    await eventually('it is void', async () => (await state(issuedAt)) === 'void');
    expect(await offered(web1)).toBeUndefined();
  });
});

describe('the proof of the fleet', () => {
  it('is signed for the question by the online key, with how far the control plane is', async () => {
    await newestRoot();
    const asked = { nodeId: web1.nodeId, challenge: '12'.repeat(32) };
    const { status, body } = await rig.rest.post('/v1/redirects/proof', asked, { token: null });
    expect(status).toBe(200);
    const proof = verifyFleetProof(body['proof'], root.document);
    expect(proof).toMatchObject({ ...asked, epoch: '2' });
    expect(BigInt(proof.generation)).toBeGreaterThan(0n);
  });

  it('is not given for a host that is not of the fleet, or for a question that is none', async () => {
    const ask = (body: object) => rig.rest.post('/v1/redirects/proof', body, { token: null });
    const challenge = '12'.repeat(32);
    expect((await ask({ nodeId: 'ef'.repeat(32), challenge })).status).toBe(404);
    expect((await ask({ nodeId: web1.nodeId, challenge: 'short' })).status).toBe(400);
  });
});
