import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  generateSigningKey,
  loadSigner,
  payloadTypes,
  preAuthEncoding,
  signRoot,
  signStatus,
  trustRoot,
  verifySignedStatus,
  type HostSignedStatus,
  type SignedDocument,
} from '#bundle';
import type { SignedStatusView } from '#contracts';
import type { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { eventually } from '../e2e/support/eventually.js';
import { blockProgram } from '../e2e/support/policies.js';
import { Product, type CliResult } from '../e2e/support/product.js';
import { StandIns } from '../e2e/support/stand-in-host.js';
import { LyingControlPlane } from './support/lying-control-plane.js';

jest.setTimeout(300_000);

const PASSPHRASE = 'correct horse battery staple';
const SLEEP = '/usr/bin/sleep';

let product: Product;
let stand: StandIns;
let host: TestHost;
let other: TestHost;
let liar: LyingControlPlane;

beforeAll(async () => {
  product = await Product.up();
  liar = await LyingControlPlane.before(product);
  stand = await StandIns.of(product);
  host = await stand.host('web1', 'env=prod');
  other = await stand.host('web2', 'env=prod');
  await becomeAuthored();
  await signed('first.json', machine('web1'), machine('web2'), policy(SLEEP));
  await product.must(['apply', '-f', file('first.json')]);
  await host.receives('block');
  await other.receives('block');
  await say(other);
});
afterAll(async () => {
  await liar.stop();
  stand.close();
  await product.down();
});
afterEach(() => {
  liar.lie = () => undefined;
});

const file = (name: string) => join(product.dataDir, name);
const policy = (path: string) => blockProgram('block', path, { env: 'prod' });
const machine = (name: string) =>
  [
    'apiVersion: security.kubearmor.com/v1',
    'kind: KubeArmorVirtualMachine',
    `metadata: { name: ${name}, labels: { env: prod } }`,
    '',
  ].join('\n');

async function becomeAuthored(): Promise<void> {
  const root = file('root.json');
  await product.must(['key', 'create', 'alice'], undefined, `${PASSPHRASE}\n`);
  await product.must(['root', 'show', '--save', root]);
  await product.must(['root', 'add-author', root, '--key', 'alice']);
  await product.must(['root', 'set-mode', root, 'authored']);
  const key = join(product.dataDir, 'control-plane/keys/root.key');
  await product.must(['root', 'sign', root, '--key-file', key]);
  await product.must(['root', 'publish', root]);
  // What the operator keeps of the ceremony.
  await product.must(['root', 'show', '--save', file('kept-root.json')]);
}

/** What the operator signs, and keeps. */
async function signed(name: string, ...documents: readonly string[]): Promise<void> {
  await writeFile(file('documents.yaml'), documents.join('---\n'));
  const args = ['sign', '-f', file('documents.yaml'), '--key', 'alice', '-o', file(name)];
  await product.must(args, undefined, `${PASSPHRASE}\n`);
}

/** The host reports with this signed status, and the control plane has taken it. */
async function say(from: TestHost, over: Partial<HostSignedStatus> = {}): Promise<SignedDocument> {
  const signedStatus = from.state(over);
  await from.report('enforced', {}, signedStatus);
  const rest = await product.rest();
  await eventually(`the signed status of ${from.name} is there`, 30_000, async () => {
    const { body } = await rest.get(`/v1/nodes/${from.name}/signed-status`);
    return JSON.stringify(body['signedStatus']) === JSON.stringify(signedStatus);
  });
  return signedStatus;
}

const verify = async (...more: string[]): Promise<CliResult> =>
  product.cli(['status', 'node', 'web1', '--verify', ...more], { env: await liar.env() });

async function expectFailure(words: string | RegExp, ...more: string[]): Promise<void> {
  const { code, stderr } = await verify(...more);
  expect([code, stderr]).toEqual([1, expect.stringMatching(words)]);
}

/** Shows another signed status, or another host's key with it. */
function show(change: (view: SignedStatusView) => Partial<SignedStatusView>): void {
  liar.lie = (path, truth) => {
    if (path !== '/v1/nodes/web1/signed-status') return undefined;
    const view = truth as SignedStatusView;
    return { ...view, ...change(view) };
  };
}

/** What the host signed with other words in it, under the signature that it made. */
function altered({ signedStatus }: SignedStatusView, over: object): Partial<SignedStatusView> {
  const { payload, ...rest } = signedStatus as SignedDocument;
  const said = JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as object;
  const changed = Buffer.from(JSON.stringify({ ...said, ...over })).toString('base64');
  return { signedStatus: { ...rest, payload: changed } };
}

describe('what a host says of itself, carried by a control plane that need not be trusted', () => {
  it('is believed at first sight with a warning, and from then on without one', async () => {
    await say(host);
    const first = await verify('--root', file('kept-root.json'));
    expect([first.code, first.stderr]).toEqual([0, expect.stringContaining('first sight of web1')]);
    expect(first.stdout).toContain(host.nodeId);
    const again = await verify('--signed', file('first.json'));
    expect([again.code, again.stderr]).toEqual([0, '']);
  });

  it('needs no first sight where the operator says which host it is', async () => {
    const env = { ...(await liar.env()), XDG_CONFIG_HOME: file('another-operator') };
    const args = ['status', 'node', 'web1', '--verify', '--node-id', host.nodeId];
    const { code, stderr } = await product.cli(args, { env });
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('first sight of web1')]);
  });

  it('is shown where the host enforces less than was signed', async () => {
    await say(host, { policies: [{ name: 'block', states: { failed: 1 } }] });
    await expectFailure('rules of block are not in force: 1 failed');
    await say(host, { conditions: ['suspended'], mode: 'off' });
    await expectFailure('says that the host is suspended');
    await say(host);
  });
});

describe('ATTACKER: a control plane that was taken over, with its online key', () => {
  it.each<[string, object]>([
    ['that rules are enforced which are not', { policies: [] }],
    ['that it was said just now', { at: Date.now() + 1_000 }],
    ['that nothing is suspended', { conditions: [], mode: 'enforce', sequence: 1 }],
  ])('ATTACKER: changes what the host signed: %s', async (_title, over) => {
    show((view) => altered(view, over));
    await expectFailure('was not signed by host');
  });

  it('ATTACKER: signs what the host says by a key of its own, under the true id and under its own', async () => {
    const own = loadSigner(generateSigningKey().privateKey);
    const forged = (view: SignedStatusView, nodeId: string) => {
      const said = verifySignedStatus(view.signedStatus, view.key, host.nodeId);
      return signStatus({ ...said, nodeId }, own);
    };
    show((view) => ({ key: own.key, signedStatus: forged(view, own.keyid) }));
    await expectFailure('was not signed by host');
    const message = (payload: string) =>
      preAuthEncoding(payloadTypes.signedStatus, Buffer.from(payload, 'base64'));
    show(({ signedStatus }) => {
      const { payload, payloadType } = signedStatus as SignedDocument;
      const sig = own.sign(message(payload)).toString('base64');
      const signatures = [{ keyid: host.nodeId, sig }];
      return { signedStatus: { payload, payloadType, signatures } };
    });
    await expectFailure('was not signed by host');
    show((view) => ({
      ...{ nodeId: own.keyid, key: own.key },
      signedStatus: forged(view, own.keyid),
    }));
    await expectFailure('web1 IS ANOTHER HOST THAN BEFORE');
  });

  it('ATTACKER: shows the signed status of another honest host in its place', async () => {
    const { body } = await (await product.rest()).get('/v1/nodes/web2/signed-status');
    const { nodeId, key, signedStatus } = body as unknown as SignedStatusView;
    show(() => ({ nodeId, key, signedStatus }));
    await expectFailure('IS ANOTHER HOST THAN BEFORE');
    const env = { ...(await liar.env()), XDG_CONFIG_HOME: file('a-third-operator') };
    const args = ['status', 'node', 'web1', '--verify', '--signed', file('first.json')];
    const { code, stderr } = await product.cli(args, { env });
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('the authors signed web1 as another host'),
    ]);
    show(() => ({ key, signedStatus }));
    await expectFailure('was not signed by host');
  });

  it('ATTACKER: plays back what the host said when all was well', async () => {
    const { body } = await (await product.rest()).get('/v1/nodes/web1/signed-status');
    await say(host, { policies: [] });
    await expectFailure('does not name policy block', '--signed', file('first.json'));
    show(() => ({ signedStatus: body['signedStatus'] }));
    await expectFailure('was played back');
    await say(host);
  });

  it('ATTACKER: freezes it, or withholds it', async () => {
    const hourAgo = Date.now() - 3_600_000;
    await say(host, { at: hourAgo, asOf: hourAgo });
    await expectFailure(/was signed 36\d\d s ago/);
    await say(host);
    show(() => ({ signedStatus: undefined }));
    await expectFailure('was not signed by host');
  });

  it('ATTACKER: withholds from the host what its author signed since', async () => {
    await signed('second.json', machine('web1'), policy('/usr/bin/nc'));
    const files = ['--signed', file('first.json'), file('second.json')];
    await expectFailure(/names version \d+ of block; version \d+ was signed/, ...files);
    await signed('third.json', policy('/usr/bin/wget').replace('name: block', 'name: more'));
    const more = ['--signed', file('first.json'), file('third.json')];
    await expectFailure('does not name policy more, which was signed for it', ...more);
  });

  it('ATTACKER: has the host, if it could, enforce another document, or one more', async () => {
    const version = host.last?.policies[0]?.version ?? 0;
    const document = { version, digest: 'a'.repeat(64) };
    await say(host, { policies: [{ name: 'block', document, states: { enforced: 1 } }] });
    await expectFailure('names another document as version', '--signed', file('first.json'));
    const extra = { name: 'open', document, states: { enforced: 1 } };
    await say(host, { policies: [extra] });
    await expectFailure('names policy open, which the files do', '--signed', file('first.json'));
    await say(host, {
      suspension: { mode: 'off', until: Date.now() + 60_000, by: 'control-plane' },
    });
    await expectFailure('suspended, which nobody signed', '--signed', file('first.json'));
    await say(host);
  });

  it('ATTACKER: has the author sign the labels of web1 for another host', async () => {
    liar.lie = (path, truth) =>
      path === '/v1/nodes/web1' ? { ...(truth as object), nodeId: other.nodeId } : undefined;
    await writeFile(file('documents.yaml'), machine('web1'));
    const args = ['sign', '-f', file('documents.yaml'), '--key', 'alice', '-o', file('lured.json')];
    const { code, stderr } = await product.cli(args, {
      env: await liar.env(),
      input: `${PASSPHRASE}\n`,
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining('IS ANOTHER HOST THAN BEFORE')]);
  });

  it('ATTACKER: names authors of its own by a root document of its own', async () => {
    const own = generateSigningKey();
    const keys = [{ keyid: own.keyid, key: own.key }];
    liar.lie = (path, truth) => {
      if (path !== '/v1/roots') return undefined;
      const answer = truth as { roots: readonly SignedDocument[] };
      const { document } = trustRoot(answer.roots.at(-1));
      const next = { ...document, version: document.version + 1, authors: keys };
      const forged = signRoot({ ...next, root: { threshold: 1, keys } }, [
        loadSigner(own.privateKey),
      ]);
      return { ...answer, roots: [...answer.roots, forged] };
    };
    await expectFailure('root documents do not follow from the one that is believed');
    liar.lie = (path, truth) =>
      path === '/v1/roots'
        ? { ...(truth as object), roots: (truth as { roots: unknown[] }).roots.slice(0, 1) }
        : undefined;
    await expectFailure('root documents do not follow from the one that is believed');
  });
});
