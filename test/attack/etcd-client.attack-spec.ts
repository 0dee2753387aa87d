import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { Product } from '../e2e/support/product.js';
import { StandIns } from '../e2e/support/stand-in-host.js';

const MINUTE = 60_000;

describe('ATTACKER: an enrolled host on the machine of the control plane', () => {
  let product: Product;
  let stand: StandIns;
  let host: TestHost;
  let folder: string;
  let clientPort: number;

  beforeAll(async () => {
    product = await Product.up();
    stand = await StandIns.of(product);
    host = await stand.host('web1', 'env=prod');
    folder = await mkdtemp(join(tmpdir(), 'hostward-etcd-client-'));
    const ports = await readFile(join(product.dataDir, 'ports.json'), 'utf8');
    clientPort = (JSON.parse(ports) as { etcdClient: number }).etcdClient;
    await writeFile(join(folder, 'cert.pem'), host.tlsIdentity.cert);
    await writeFile(join(folder, 'key.pem'), host.tlsIdentity.key, { mode: 0o600 });
  }, 3 * MINUTE);
  afterAll(async () => {
    stand?.close();
    await product?.down();
    await rm(folder, { recursive: true, force: true });
  });

  const pki = (name: string): string => join(product.dataDir, 'control-plane/pki', name);
  const etcdctl = async (cert: string, key: string): Promise<{ code: number; said: string }> => {
    const at = [`--endpoints=https://127.0.0.1:${clientPort}`, `--cacert=${pki('etcd-ca.pem')}`];
    const args = [...at, `--cert=${cert}`, `--key=${key}`, '--command-timeout=5s'];
    return promisify(execFile)('etcdctl', [...args, 'get', '', '--from-key', '--keys-only']).then(
      ({ stdout }) => ({ code: 0, said: stdout }),
      ({ stdout, stderr }: { stdout: string; stderr: string }) => ({
        code: 1,
        said: stdout + stderr,
      }),
    );
  };

  it(
    'reads etcd with its own certificate: refused',
    async () => {
      const own = await etcdctl(join(folder, 'cert.pem'), join(folder, 'key.pem'));
      expect(own.code).toBe(1);
      expect(own.said).not.toContain('/hostward/');
      const control = await etcdctl(pki('etcd-client.pem'), pki('etcd-client.key'));
      expect(control.said).toContain('/hostward/');
    },
    MINUTE,
  );
});
