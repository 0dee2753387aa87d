import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { AuthoritiesView } from '#contracts';
import { fingerprint } from '#pki';
import { eventually } from './support/eventually.js';
import { Product, type CliResult } from './support/product.js';

const MINUTE = 60_000;
const MAY_SIGN = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];

jest.setTimeout(4 * MINUTE);

let product: Product;
let folder: string;
beforeAll(async () => {
  product = await Product.prepare();
  folder = join(product.dataDir, '..');
});
afterAll(() => product?.down());

const file = (name: string): string => join(folder, name);
const up = (...more: string[]): Promise<CliResult> =>
  product.cli(
    [
      'up',
      '--detach',
      `--data-dir=${product.dataDir}`,
      `--listen=127.0.0.1:${product.port}`,
    ].concat(more),
    { timeoutMs: 3 * MINUTE },
  );

/** A root as an operator makes it; its key is of openssl's `genpkey` arguments. */
function makeRoot(name: string, algorithm: string[], extensions: readonly string[]): void {
  const openssl = (args: readonly string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  openssl(['genpkey', ...algorithm, '-out', file(`${name}.key`)]);
  const subject = ['-subj', `/C=DE/O=Example Ltd/CN=${name}`, '-days', '30'];
  const added = extensions.flatMap((each) => ['-addext', each]);
  const key = ['-key', file(`${name}.key`)];
  openssl(['req', '-x509', '-new', ...key, ...subject, ...added, '-out', file(`${name}.pem`)]);
}

describe('a product with the CA of its operator', () => {
  it('step 1: says what is wrong with a CA that cannot be used, and what to do, and starts nothing', async () => {
    makeRoot(
      'weak',
      ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
      ['basicConstraints=critical,CA:TRUE'],
    );
    const refused = await up('--ca-cert', file('weak.pem'), '--ca-key', file('weak.key'));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/--ca-cert is .*keyUsage keyCertSign.*remedy: openssl/s);
    expect((await up('--ca-cert', file('weak.pem'))).code).toBe(2);
  });

  it('step 2: is up by it, with the agent of this machine, and needs its key file no more', async () => {
    makeRoot('own', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], MAY_SIGN);
    const pem = readFileSync(file('own.pem'), 'utf8');
    const started = await up('--ca-cert', file('own.pem'), '--ca-key', file('own.key'));
    expect([started.code, started.stdout]).toEqual([0, expect.stringContaining(fingerprint(pem))]);
    rmSync(file('own.key'));
    await eventually('its agent is heard', MINUTE, async () =>
      (await product.must(['get', 'nodes'])).stdout.includes('enrolled'),
    );
    await product.stop();
    expect((await up()).stdout).toContain(fingerprint(pem));
    expect((await product.must(['get', 'nodes'])).stdout).toContain('enrolled');
  });

  it('step 3: goes over to another one of its operator', async () => {
    makeRoot('second', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'], MAY_SIGN);
    const given = ['--cert', file('second.pem'), '--key', file('second.key')];
    const wrong = ['--cert', file('second.pem'), '--key', file('weak.key')];
    const refused = await product.cli(['ca', 'begin', ...wrong]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('is not the key of the certificate'),
    ]);
    await product.must(['ca', 'begin', ...given]);
    await product.must(['ca', 'switch', '--wait'], 3 * MINUTE);
    await product.must(['ca', 'finish', '--wait'], 3 * MINUTE);
    const shown = await product.must(['ca', 'status', '-o', 'json']);
    expect(JSON.parse(shown.stdout) as AuthoritiesView).toMatchObject({
      phase: 'settled',
      authorities: [{ fingerprint: fingerprint(readFileSync(file('second.pem'), 'utf8')) }],
    });
    await eventually('its agent follows', MINUTE, async () =>
      (await product.must(['ca', 'status'])).stdout.includes('hosts that follow: 1\n'),
    );
  });

  it('step 4: makes the CA of etcd anew where it was removed, and keeps what etcd holds', async () => {
    await product.stop();
    const pki = (name: string): string => join(product.dataDir, 'control-plane', 'pki', name);
    const before = readFileSync(pki('etcd-ca.pem'), 'utf8');
    for (const name of ['etcd-ca.pem', 'etcd-ca.key']) rmSync(pki(name));
    expect((await up()).code).toBe(0);
    expect(readFileSync(pki('etcd-ca.pem'), 'utf8')).not.toBe(before);
    expect((await product.must(['get', 'nodes'])).stdout).toContain('enrolled');
  });
});
