import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type RootDocument,
  type Signer,
  type SuspensionTarget,
  generateSigningKey,
  inspectRoot,
  limits,
  loadSigner,
  signAuthored,
  signRoot,
} from '#bundle';
import { MAX_RULES_PER_POLICY } from '#contracts';
import { etcdKeys, EtcdStore } from '#etcd';
import { loadMaterial } from '../config/material.js';
import { readConfig } from '../config/read-config.js';
import { eventually } from '../testing/eventually.js';
import { Rig, blockPolicy } from '../testing/rig.js';
import type { TestHost } from '../testing/test-host.js';

const author = loadSigner(generateSigningKey().privateKey);
const stranger = loadSigner(generateSigningKey().privateKey);
/** For stage alone. */
const bob = loadSigner(generateSigningKey().privateKey);
/** For files alone. */
const carl = loadSigner(generateSigningKey().privateKey);

let rig: Rig;
let host: TestHost;
beforeAll(async () => {
  rig = await Rig.start();
  host = await rig.host('web1', { env: 'prod' });
});
afterAll(() => rig.stop());

const onlineKeyFile = () => join(dirname(rig.files.configFile), 'keys/online.key');
const rootKey = (): Signer =>
  loadSigner(readFileSync(join(dirname(rig.files.configFile), 'keys/root.key'), 'utf8').trim());

async function next(more: Partial<RootDocument>, by = rootKey()): Promise<unknown> {
  const { body } = await rig.rest.get('/v1/roots');
  const { document } = inspectRoot((body['roots'] as unknown as unknown[]).at(-1));
  return signRoot({ ...document, version: document.version + 1, ...more }, [by]);
}

const publish = async (more: Partial<RootDocument>) => rig.rest.post('/v1/roots', await next(more));
const content = (name: string, matchLabels: Readonly<Record<string, string>>) => ({
  apiVersion: 'security.kubearmor.com/v1',
  kind: 'KubeArmorHostPolicy',
  metadata: { name },
  spec: {
    nodeSelector: { matchLabels },
    process: { matchPaths: [{ path: '/usr/bin/sleep' }] },
    action: 'Block',
  },
});
const signed = (
  name: string,
  version: number,
  by: Signer | readonly Signer[],
  deleted = false,
  on: Readonly<Record<string, string>> = { env: 'prod' },
) => {
  const document = deleted
    ? ({ v: 1, name, version, deleted: true } as const)
    : ({ v: 1, name, version, content: content(name, on) } as const);
  return signAuthored({ kind: 'policy', document }, [by].flat());
};
/** An exception that allows files, and exempts from all of another policy. */
const exempting = (name: string, from: string, by: Signer) => {
  const { spec, ...rest } = content(name, { env: 'prod' });
  const annotations = {
    'hostward.io/tier': 'exception',
    'hostward.io/until': '2999-01-01T00:00:00Z',
  };
  const metadata = { name, annotations, labels: { 'hostward.io/lifts': from } };
  const file = { matchPaths: [{ path: '/etc/app.conf' }] };
  const { nodeSelector } = spec;
  const made = { ...rest, metadata, spec: { nodeSelector, file, action: 'Allow' } };
  return signAuthored({ kind: 'policy', document: { v: 1, name, version: 1, content: made } }, [
    by,
  ]);
};
const group = (
  name: string,
  version: number,
  envs: readonly string[],
  by: Signer | readonly Signer[],
) => {
  const selector = { matchExpressions: [{ key: 'env', operator: 'In', values: envs }] };
  const kind = { apiVersion: 'hostward.io/v1', kind: 'Group' } as const;
  const content = { ...kind, metadata: { name }, spec: { selector } };
  return signAuthored({ kind: 'group', document: { v: 1, name, version, content } }, [by].flat());
};
const labels = (
  version: number,
  env: string,
  by: Signer | readonly Signer[],
  { nodeId, name }: Pick<TestHost, 'nodeId' | 'name'> = host,
) => {
  const document = { v: 1, nodeId, name, version, labels: { env } } as const;
  return signAuthored({ kind: 'labels', document }, [by].flat());
};
const send = (...documents: unknown[]) =>
  rig.rest.post('/v1/signed-documents', { v: 1, signed: documents });

const readyAgain = () =>
  eventually('all can be read', async () => (await rig.rest.get('/readyz')).status === 200);

/** What whoever owns etcd does. */
const putEtcd = (key: string, value: string) =>
  inEtcd((etcd) => etcd.transact({ if: [], then: [{ type: 'put', key, value }] }));

async function inEtcd<T>(work: (etcd: EtcdStore) => Promise<T>): Promise<T> {
  const config = readConfig(rig.files.configFile);
  const store = EtcdStore.connect({
    hosts: [`https://127.0.0.1:${rig.etcd.port}`],
    credentials: loadMaterial(config).etcd,
    callTimeoutMs: 5_000,
  });
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

describe('root documents over REST', () => {
  it('are followed one after another, and hosts are told under each', async () => {
    expect((await publish({ epoch: '2' })).status).toBe(200);
    const delivery = await eventually('the new epoch is delivered', async () => {
      const found = await host.fetch();
      return found?.rootVersion === 2 && found;
    });
    expect(delivery.assignment.epoch).toBe('2');
  });

  it('are refused when nobody with a root key signed, when old, and when they take our own key away', async () => {
    const forged = await rig.rest.post('/v1/roots', await next({ epoch: '3' }, stranger));
    expect([forged.status, forged.text]).toEqual([422, expect.stringContaining('unknown-key')]);
    const old = await rig.rest.post('/v1/roots', await next({ version: 2 }));
    expect(old.status).toBe(409);
    const { keyid, key } = stranger;
    expect((await publish({ online: [{ keyid, key }] })).status).toBe(422);
  });

  it('ATTACKER: writes a root document of its own straight into etcd, which nobody follows and which keeps none out', async () => {
    const { keyid, key } = stranger;
    const root = { threshold: 1, keys: [{ keyid, key }] };
    await putEtcd(
      etcdKeys.rootDocument(3),
      JSON.stringify(await next({ epoch: '9', root }, stranger)),
    );
    await eventually('it is refused aloud', () =>
      rig.lines.some((line) => line.includes('root document that does not follow ours')),
    );
    expect((await rig.rest.get('/v1/roots')).body).toMatchObject({ version: 2, epoch: '2' });
    expect((await publish({})).status).toBe(200);
    await eventually('the true one is in force', async () => {
      return (await rig.rest.get('/v1/roots')).body['version'] === (3 as never);
    });
  });

  it('are kept beside the first one, so that a restored etcd takes none back', async () => {
    await rig.stopControlPlane();
    await rig.startControlPlane();
    await rig.ready();
    expect((await rig.rest.get('/v1/roots')).body).toMatchObject({ version: 3, epoch: '2' });
  });
});

describe('RECOVERY of a stolen online key, in managed mode', () => {
  it('another key takes its place, policies are applied again, and what the old one signs counts no more', async () => {
    const yaml = blockPolicy('kept', '/bin/true', { env: 'prod' });
    expect((await rig.rest.post('/v1/apply', yaml)).status).toBe(200);
    await host.receives('kept');
    const stolen = loadSigner(readFileSync(onlineKeyFile(), 'utf8').trim());
    const fresh = generateSigningKey();
    const [old, young] = [stolen, fresh].map(({ keyid, key }) => ({ keyid, key }));
    if (!old || !young) throw new Error('no keys');
    expect((await publish({ online: [old, young] })).status).toBe(200);
    await rig.stopControlPlane();
    writeFileSync(onlineKeyFile(), fresh.privateKey);
    await rig.startControlPlane();
    await rig.ready();
    expect((await rig.rest.post('/v1/apply', yaml)).text).toContain('configured');
    expect((await rig.rest.post('/v1/apply', yaml)).text).toContain('unchanged');
    expect((await publish({ online: [young] })).status).toBe(200);
    await eventually('the host is told without the stolen key', async () => {
      const found = await host.fetch();
      return found?.rootVersion === 5 && found.policies.map(({ name }) => name).join() === 'kept';
    });
    expect(host.last?.root.document.online.map(({ keyid }) => keyid)).toEqual([fresh.keyid]);
    await rig.rest.delete('/v1/policies/kept');
  });
});

describe('authored mode', () => {
  beforeAll(async () => {
    const { keyid, key } = author;
    expect((await publish({ mode: 'authored', authors: [{ keyid, key }] })).status).toBe(200);
  });

  it('refuses what is not signed, with the remedy', async () => {
    const applied = await rig.rest.post('/v1/apply', blockPolicy('p', '/bin/true', { a: 'b' }));
    expect([applied.status, applied.text]).toEqual([409, expect.stringContaining('hostward sign')]);
    const suspension = {
      target: { all: true },
      mode: 'off',
      until: new Date(Date.now() + 60_000).toISOString(),
      reason: 'x',
    };
    expect((await rig.rest.post('/v1/suspensions', suspension)).status).toBe(409);
    const relabelled = await rig.rest.call('PATCH', '/v1/nodes/web1/labels', {
      body: { labels: { env: 'dev' } },
    });
    expect(relabelled.status).toBe(409);
  });

  it('carries what its authors signed to the hosts that they labelled', async () => {
    const answer = await send(labels(1, 'prod', author), signed('block', 1, author));
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('"created"')]);
    await host.receives('block');
    expect((await rig.rest.get('/v1/policies/block')).status).toBe(200);
    expect((await rig.rest.get('/v1/signed-documents')).body).toMatchObject({
      policy: { block: 1 },
      labels: { [host.nodeId]: 1 },
    });
  });

  it('refuses strangers, older versions and other hosts, and then writes nothing', async () => {
    const bad = [
      signed('block', 2, stranger),
      signed('block', 1, author, true),
      labels(1, 'dev', author),
    ];
    for (const document of bad) {
      const answer = await send(signed('other', 1, author), document);
      expect(answer.status).toBe(422);
    }
    expect((await rig.rest.get('/v1/policies/other')).status).toBe(404);
  });

  it('refuses more names than a host remembers, deletions counted, before the fleet stands still', async () => {
    const groups = Array.from({ length: limits.groupsPerBundle + 1 }, (_, at) => {
      const document = { v: 1, name: `g${at}`, version: 1, deleted: true } as const;
      return signAuthored({ kind: 'group', document }, [author]);
    });
    const answer = await send(...groups);
    expect([answer.status, answer.body['detail']]).toEqual([
      422,
      expect.stringMatching(/at most 1024 names of this kind, those of deletions among them/),
    ]);
    expect((await rig.rest.get('/v1/signed-documents')).body['group']).toEqual({});
  });

  it('refuses more rules in a policy than a host can report', async () => {
    const policy = content('vast', { env: 'prod' });
    const matchPaths = Array.from({ length: MAX_RULES_PER_POLICY + 1 }, () => ({ path: '/a' }));
    const spec = { ...policy.spec, process: { matchPaths } };
    const document = { v: 1, name: 'vast', version: 1, content: { ...policy, spec } } as const;
    const answer = await send(signAuthored({ kind: 'policy', document }, [author]));
    expect([answer.status, answer.body['detail']]).toEqual([
      422,
      expect.stringContaining('20001 rules are more than the 20000 that a policy may have'),
    ]);
  });

  it('ATTACKER: writes a policy straight into etcd, and no host hears of it', async () => {
    const key = etcdKeys.signedDocument('policy', 'evil');
    await putEtcd(key, JSON.stringify(signed('evil', 1, stranger)));
    await putEtcd(
      etcdKeys.signedDocument('policy', 'block'),
      JSON.stringify(signed('block', 9, stranger)),
    );
    const answer = await send(signed('more', 1, author));
    expect(answer.status).toBe(200);
    await host.receives('block', 'more');
    // It does not keep the author out either.
    expect((await send(signed('block', 2, author), signed('evil', 1, author))).status).toBe(200);
    await host.receives('block', 'evil', 'more');
    await readyAgain();
    expect((await send(signed('evil', 2, author, true))).status).toBe(200);
  });

  it('ATTACKER: takes a policy out of etcd, and its author puts it back', async () => {
    const key = etcdKeys.signedDocument('policy', 'more');
    await inEtcd((etcd) => etcd.transact({ if: [], then: [{ type: 'delete', key }] }));
    await eventually('it is named', async () =>
      (await rig.rest.get('/readyz')).text.includes(`cannot be read: ${key}`),
    );
    expect((await send(signed('more', 1, author))).text).toContain('"configured"');
    await readyAgain();
    const { items } = await inEtcd((etcd) => etcd.list(key));
    expect(items.length).toBe(1);
  });

  it('gives a policy up on a deletion that its author signed', async () => {
    expect((await send(signed('more', 2, author, true))).status).toBe(200);
    await host.receives('block');
  });

  it('has a scoped operator suspend, and resume, the hosts of the scope alone', async () => {
    const order = { name: 'prod', roles: ['operator'], selector: 'env=prod' };
    const token = String((await rig.rest.post('/v1/api-tokens', order)).body['token']);
    const sent = async (version: number, target: SuspensionTarget | undefined, as: object) => {
      const more = target
        ? ({ target, mode: 'audit', until: Date.now() + 600_000, reason: 'outage' } as const)
        : ({ deleted: true } as const);
      const document = { v: 1, name: 'brake', version, ...more } as const;
      const signed = [signAuthored({ kind: 'suspension', document }, [author])];
      return (await rig.rest.post('/v1/signed-documents', { v: 1, signed }, as)).status;
    };
    expect(await sent(1, { all: true }, { token })).toBe(403);
    expect(await sent(1, { labels: { env: 'dev' } }, { token })).toBe(403);
    expect(await sent(1, { nodeId: host.nodeId }, { token })).toBe(200);
    expect(await sent(2, { labels: { env: 'prod' } }, { token })).toBe(200);
    expect(await sent(3, undefined, { token })).toBe(200);
    expect(await sent(4, { all: true }, {})).toBe(200);
    expect(await sent(5, undefined, { token })).toBe(403);
    expect(await sent(5, { nodeId: host.nodeId }, { token })).toBe(403);
    expect(await sent(5, undefined, {})).toBe(200);
  });

  it('takes nothing from an author of a narrow scope that hosts would refuse', async () => {
    const authors = [author, bob, carl].map(({ keyid, key }) => ({ keyid, key }));
    const scopes = [undefined, { labels: { env: 'stage' } }, { sections: ['file'] }];
    const scoped = authors.map((each, at) => ({
      ...each,
      ...(scopes[at] && { scope: scopes[at] }),
    }));
    expect((await publish({ authors: scoped })).status).toBe(200);
    const web = (version: number, env: string, ...by: readonly Signer[]) =>
      group('web', version, [env], by);
    const inWeb = { 'hostward.io/group': 'web' };
    const own = [web(1, 'prod', author), signed('grouped', 1, author, false, inWeb)];
    expect((await send(...own)).status).toBe(200);
    await host.receives('block', 'grouped');
    const beyond = [
      signed('fresh', 1, bob),
      signed('fresh', 1, bob, false, inWeb),
      labels(2, 'stage', bob),
      labels(2, 'stage', carl),
      web(2, 'stage', carl),
      web(2, 'stage', bob),
    ];
    for (const document of beyond) {
      const answer = await send(document);
      expect([answer.status, answer.text]).toEqual([
        422,
        expect.stringContaining('needs the signatures of 1 authors whose scope has'),
      ]);
    }
    const narrow = await send(exempting('open', 'block', carl));
    expect([narrow.status, narrow.body['errors']]).toEqual([
      422,
      [
        expect.objectContaining({
          ...{ field: 'documents[0].metadata.labels.hostward.io/lifts', value: 'block' },
          remedy: expect.stringContaining('leave the label out'),
        }),
      ],
    ]);
    const within = signed('fresh', 1, bob, false, { env: 'stage' });
    expect((await send(within)).status).toBe(200);
    await host.receives('block', 'grouped');

    // The host is away, so that it sees what follows these and never these.
    const stage = { env: 'stage' };
    const wide = [signed('grouped', 2, author, false, stage), web(2, 'stage', author)];
    expect((await send(...wide, labels(2, 'stage', author))).status).toBe(200);
    const anew = (...by: readonly Signer[]) => [
      signed('grouped', 3, by, false, stage),
      web(3, 'stage', ...by),
      labels(3, 'stage', by),
    ];
    for (const document of anew(bob)) {
      const answer = await send(document);
      expect([answer.status, answer.body['detail']]).toEqual([
        422,
        expect.stringContaining(
          `author ${author.keyid}, who has no scope, signed version 2, and none of these may sign all of that`,
        ),
      ]);
    }
    expect((await send(...anew(bob, author))).status).toBe(200);
    await host.receives('fresh', 'grouped');
    expect((await send(labels(4, 'prod', author))).status).toBe(200);
    await host.receives('block');
    const gone = [signed('grouped', 4, author, true), signed('fresh', 2, author, true)];
    expect((await send(...gone, web(4, 'prod', author))).status).toBe(200);
  });

  it('asks about labels what the host asks that had them under another name', async () => {
    const renamed = await rig.host('web4', {});
    const named = signed('named', 1, author, false, { 'kubearmor.io/hostname': 'web4' });
    expect((await send(labels(1, 'prod', carl, renamed), named)).status).toBe(200);
    await renamed.receives('block', 'named');
    expect((await rig.rest.post('/v1/nodes/web4/rename', { to: 'web5' })).status).toBe(200);
    const anew = { nodeId: renamed.nodeId, name: 'web5' };
    for (const env of ['prod', 'dev']) {
      const answer = await send(labels(2, env, carl, anew));
      expect([answer.status, answer.text]).toEqual([
        422,
        expect.stringContaining('needs the signatures of 1 authors whose scope has tier'),
      ]);
    }
    expect((await send(labels(2, 'prod', author, anew))).status).toBe(200);
    await renamed.receives('block');
    expect((await send(signed('named', 2, author, true))).status).toBe(200);
    const signedFor = async () =>
      Object.keys((await rig.rest.get('/v1/signed-documents')).body['labels'] ?? {});
    expect(await signedFor()).toContain(renamed.nodeId);
    expect((await rig.rest.delete('/v1/nodes/web5')).status).toBe(204);
    expect(await signedFor()).not.toContain(renamed.nodeId);
  });

  it('takes a policy by group or labels only to where its authors may sign', async () => {
    const inRing = { 'hostward.io/group': 'ring' };
    const own = [group('ring', 1, ['stage', 'test'], author), signed('app', 1, bob, false, inRing)];
    expect((await send(...own)).status).toBe(200);
    const beyond = [group('ring', 2, ['prod'], author), labels(5, 'test', author)];
    for (const document of beyond) {
      const answer = await send(document);
      expect([answer.status, answer.body['detail']]).toEqual([
        422,
        expect.stringMatching(/takes policy app to hosts labelled .* where its authors may not/),
      ]);
    }
    const app = signed('app', 2, author, false, inRing);
    expect((await send(group('ring', 2, ['prod'], author), app)).status).toBe(200);
    await host.receives('app', 'block');
    expect((await send(signed('app', 3, author, true))).status).toBe(200);
    await host.receives('block');
  });

  it('keeps nothing that was signed for an identity that is nobody’s any more', async () => {
    const gone = await rig.host('web2', { env: 'prod' });
    const replaced = await rig.host('web3', { env: 'prod' });
    const own = [labels(1, 'prod', author, gone), labels(1, 'prod', author, replaced)];
    expect((await send(...own)).status).toBe(200);
    expect((await rig.rest.delete('/v1/nodes/web2')).status).toBe(204);
    expect((await rig.rest.post('/v1/nodes/web3/replace', {})).status).toBe(200);
    const kept = await inEtcd((etcd) => etcd.list(`${etcdKeys.signed}labels/`));
    expect(kept.items.map(({ key }) => key)).toEqual([
      etcdKeys.signedDocument('labels', host.nodeId),
    ]);
    // As an earlier version left it; the next test takes its author away.
    await putEtcd(etcdKeys.signedDocument('labels', gone.nodeId), JSON.stringify(own[0]));
  });

  it('takes from another author what only one has signed who is believed no more, after a restart too', async () => {
    const carol = loadSigner(generateSigningKey().privateKey);
    const authors = [author, carol].map(({ keyid, key }) => ({ keyid, key }));
    expect((await publish({ authors })).status).toBe(200);
    expect((await publish({ authors: authors.slice(1) })).status).toBe(200);
    await rig.stopControlPlane();
    await rig.startControlPlane();
    await eventually('what is refused is named', async () =>
      (await rig.rest.get('/readyz')).text.includes('cannot be read: /hostward/'),
    );
    const gone = ['more', 'evil', 'grouped', 'fresh', 'named', 'app'].map((name) =>
      signed(name, 9, carol, true),
    );
    const web = { v: 1, name: 'web', version: 9, deleted: true } as const;
    const brake = { v: 1, name: 'brake', version: 6, deleted: true } as const;
    gone.push(
      signAuthored({ kind: 'group', document: web }, [carol]),
      group('ring', 9, ['none'], carol),
      signAuthored({ kind: 'suspension', document: brake }, [carol]),
    );
    const answer = await send(labels(5, 'prod', carol), signed('block', 3, carol), ...gone);
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('"created"')]);
    await readyAgain();
    await eventually('the host takes what is delivered', async () => {
      // What lay there before is the removed author's still.
      const found = await host.fetch().catch(() => undefined);
      return found?.policies.map(({ name, version }) => `${name} ${version}`).join() === 'block 3';
    });
  });
});
