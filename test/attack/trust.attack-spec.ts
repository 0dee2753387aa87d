import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateSigningKey, inspectRoot, loadSigner, signAuthored, signRoot } from '#bundle';
import { eventually } from '../e2e/support/eventually.js';
import { blockProgram } from '../e2e/support/policies.js';
import { Product } from '../e2e/support/product.js';
import { StandIns } from '../e2e/support/stand-in-host.js';
import type { TestHost } from '../../apps/control-plane/src/testing/test-host.js';

jest.setTimeout(300_000);

const PASSPHRASE = 'correct horse battery staple';

let product: Product;
let stand: StandIns;
let host: TestHost;
beforeAll(async () => {
  product = await Product.up();
  stand = await StandIns.of(product);
  host = await stand.host('web1', 'env=prod');
});
afterAll(async () => {
  stand.close();
  await product.down();
});

const file = (name: string) => join(product.dataDir, name);
const rootKey = () => join(product.dataDir, 'control-plane/keys/root.key');
const withPassphrase = (...args: string[]) => product.must(args, undefined, `${PASSPHRASE}\n`);

/** What an operator does with a folder of policies in authored mode. */
async function signAndApply(yaml: string): Promise<string> {
  await writeFile(file('policy.yaml'), yaml);
  await withPassphrase(
    ...['sign', '-f', file('policy.yaml'), '--key', 'alice', '-o', file('signed.json')],
  );
  return (await product.must(['apply', '-f', file('signed.json')])).stdout;
}

describe('a fleet that goes into authored mode', () => {
  it('is led there by files that the root key signs', async () => {
    await product.apply(blockProgram('managed', '/usr/bin/true', { env: 'prod' }));
    await host.receives('managed');
    await withPassphrase('key', 'create', 'alice');
    const root = file('root.json');
    await product.must(['root', 'show', '--save', root]);
    await product.must(['root', 'add-author', root, '--key', 'alice']);
    await product.must(['root', 'set-mode', root, 'authored']);
    const early = await product.cli(['root', 'publish', root]);
    expect([early.code, early.stderr]).toEqual([
      1,
      expect.stringContaining('nobody has signed it'),
    ]);
    await product.must(['root', 'sign', root, '--key-file', rootKey()]);
    const { stdout } = await product.must(['root', 'publish', root]);
    expect(stdout).toContain('root version 2 is in force: epoch 1, authored mode');
    await eventually('it waits for its authors', 60_000, async () => {
      const log = await readFile(join(product.dataDir, 'control-plane.log'), 'utf8');
      return log.includes('no policy is signed yet');
    });
    await host.receives('managed');
  });

  it('carries what authors sign, to hosts that they label', async () => {
    const machine = [
      'apiVersion: security.kubearmor.com/v1',
      'kind: KubeArmorVirtualMachine',
      'metadata: { name: web1, labels: { env: prod } }',
      '',
    ].join('\n');
    const yaml = `${machine}---\n${blockProgram('block', '/usr/bin/sleep', { env: 'prod' })}`;
    expect(await signAndApply(yaml)).toContain('KubeArmorHostPolicy/block created');
    const { policies } = await host.receives('block');
    expect(policies[0]?.authors).toHaveLength(1);
  });

  it('refuses what is not signed, and says what to do', async () => {
    const refused = await product.cli(['apply', '-f', '-'], {
      input: blockProgram('unsigned', '/usr/bin/true', { env: 'prod' }),
    });
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('hostward sign -f'),
    ]);
    const brake = ['breakglass', '--all', '--mode', 'off', '--for', '10m', '--reason', 'x'];
    expect((await product.cli(brake)).stderr).toContain('hostward sign --suspend');
    expect((await product.cli(['delete', 'policy', 'block'])).code).toBe(1);
    expect((await product.cli(['label', 'node', 'web1', 'env=dev'])).code).toBe(1);
  });

  it('is suspended by an author, and resumed', async () => {
    const brake = ['sign', '--all', '--key', 'alice', '-o', file('brake.json')];
    const suspended = () => host.fetch().then((found) => found?.assignment.suspension);
    await withPassphrase(...brake, '--suspend', 'off', '--for', '30m', '--reason', 'patch night');
    await product.must(['apply', '-f', file('brake.json')]);
    await eventually('the host is suspended', 60_000, async () => {
      return (await suspended())?.reason === 'patch night';
    });
    await withPassphrase(...brake, '--resume');
    await product.must(['apply', '-f', file('brake.json')]);
    await eventually('the host enforces again', 60_000, async () => {
      return (await suspended()) === undefined;
    });
  });

  it('ATTACKER: with the online key and an admin token signs a policy and a deletion by itself', async () => {
    const online = loadSigner(
      (await readFile(join(product.dataDir, 'control-plane/keys/online.key'), 'utf8')).trim(),
    );
    const rest = await product.rest();
    const gone = { v: 1, name: 'block', version: 9_999_999_999, deleted: true } as const;
    const signed = [signAuthored({ kind: 'policy', document: gone }, [online])];
    const answer = await rest.post('/v1/signed-documents', { v: 1, signed });
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining('unknown-key')]);
    await host.receives('block');
  });

  it('ATTACKER: with an admin token opens a new epoch without the root key', async () => {
    const rest = await product.rest();
    const { body } = await rest.get('/v1/roots');
    const { document } = inspectRoot((body['roots'] as unknown as unknown[]).at(-1));
    const own = loadSigner(generateSigningKey().privateKey);
    const forged = signRoot(
      {
        ...document,
        version: 3,
        epoch: '2',
        root: { threshold: 1, keys: [{ keyid: own.keyid, key: own.key }] },
      },
      [own],
    );
    const answer = await rest.post('/v1/roots', forged);
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining('unknown-key')]);
  });

  it('RECOVERY: a new epoch is opened by the root key, and hosts follow it', async () => {
    const shown = await product.must(['recover']);
    expect(shown.stdout).toContain('etcdutl snapshot restore FILE --bump-revision');
    const { stdout } = await product.must(['recover', '--yes']);
    expect(stdout).toContain('epoch 2 is open (root version 3)');
    await eventually('the host has an assignment of the new epoch', 60_000, async () => {
      return (await host.fetch())?.assignment.epoch === '2';
    });
    await host.receives('block');
  });

  it('gives a policy up when its author signs the deletion', async () => {
    const args = ['sign', '--delete', 'policy/block', '--key', 'alice', '-o', file('gone.json')];
    await withPassphrase(...args);
    await product.must(['apply', '-f', file('gone.json')]);
    await host.receives();
  });
});
