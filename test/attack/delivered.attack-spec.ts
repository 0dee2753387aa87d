import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateSigningKey, loadSigner, signPolicy } from '#bundle';
import type { Envelope } from '#contracts';
import { etcdKeys, EtcdStore } from '#etcd';
import type { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { eventually } from '../e2e/support/eventually.js';
import { blockProgram } from '../e2e/support/policies.js';
import { Product } from '../e2e/support/product.js';
import { RedisValues } from '../e2e/support/redis-values.js';
import { StandIns } from '../e2e/support/stand-in-host.js';
import { AttackedHost, onAttackedHost } from './support/attacked-host.js';

jest.setTimeout(300_000);

/** A running product; what it put into Redis is handed to a host's real sensor and compiler, after the attacker had it. */
onAttackedHost('whoever owns Redis or etcd of a running product', () => {
  let product: Product;
  let stand: StandIns;
  let redis: RedisValues;
  let web1: TestHost;
  let web2: TestHost;
  let host: AttackedHost;

  beforeAll(async () => {
    product = await Product.up();
    stand = await StandIns.of(product);
    redis = await RedisValues.of(product);
    web1 = await stand.host('web1', 'env=prod');
    web2 = await stand.host('web2', 'env=prod');
    host = await AttackedHost.start(web1.identity);
    await product.apply(blockProgram('block', '/usr/bin/sleep', { env: 'prod' }));
    await web1.receives('block');
    await web2.receives('block');
    expect(await host.offer(await redis.envelope(web1.nodeId))).toBe('applied');
    expect(await host.enforced()).toEqual(['block enforce']);
  });
  afterAll(async () => {
    await host.stop();
    stand.close();
    await product.down();
  });

  const envelopeOf = async (node: TestHost) =>
    JSON.parse((await redis.envelope(node.nodeId)).toString('utf8')) as Envelope;
  const bytes = (envelope: Envelope) => Buffer.from(JSON.stringify(envelope));

  async function refusal(envelope: Uint8Array): Promise<string> {
    const before = await host.everything();
    const code = await host.offer(envelope);
    expect(await host.everything()).toBe(before);
    return code;
  }

  it('ATTACKER: replaces the bundle in Redis by other bytes', async () => {
    const envelope = await envelopeOf(web1);
    const other = Buffer.from(envelope.bundle, 'base64');
    other.writeUInt8(other.readUInt8(100) ^ 1, 100);
    const replaced = { ...envelope, bundle: other.toString('base64') };
    expect(await refusal(bytes(replaced))).toBe('bundle-digest-mismatch');
  });

  it('ATTACKER: swaps the records of two hosts in Redis', async () => {
    expect(await refusal(bytes(await envelopeOf(web2)))).toBe('not-for-this-node');
  });

  it('ATTACKER: writes a policy straight into etcd, in the place of the one there is', async () => {
    const stranger = loadSigner(generateSigningKey().privateKey);
    const { body } = await (await product.rest()).get('/v1/policies/block');
    const document = body['document'] as unknown as object;
    const weak = { ...document, spec: { ...(document as { spec: object }).spec, action: 'Audit' } };
    const envelope = signPolicy({ v: 1, name: 'block', version: 2, content: weak }, stranger);
    const record = {
      ...({ v: 1, name: 'block', version: 2, change: 'configured', paused: false } as const),
      ...{ at: new Date().toISOString(), by: 'nobody', document: weak, envelope },
    };
    const generation = (await envelopeOf(web1)).record.assignmentVersion.generation;
    await putEtcd(etcdKeys.policy('block'), JSON.stringify(record));
    await eventually('the control plane publishes what it found', 60_000, async () => {
      return (await envelopeOf(web1)).record.assignmentVersion.generation !== generation;
    });
    expect(await refusal(bytes(await envelopeOf(web1)))).toBe('unknown-key');
    expect(await host.enforced()).toEqual(['block enforce']);
  });

  it('ATTACKER: replays the own assignment of a host after the policy was deleted', async () => {
    const older = await redis.envelope(web1.nodeId);
    await product.must(['delete', 'policy', 'block']);
    // Until then the forged policy is there, which the host does not take.
    await eventually('nothing is delivered any more', 60_000, async () => {
      const delivery = await web1.fetch().catch(() => undefined);
      return delivery?.policies.length === 0;
    });
    expect(await host.offer(await redis.envelope(web1.nodeId))).toBe('applied');
    expect(await host.enforced()).toEqual([]);
    expect(await refusal(older)).toBe('stale-order');
  });

  async function putEtcd(key: string, value: string): Promise<void> {
    const folder = join(product.dataDir, 'control-plane/pki');
    const ports = await readFile(join(product.dataDir, 'ports.json'), 'utf8');
    const { etcdClient } = JSON.parse(ports) as { etcdClient: number };
    const [ca, cert, clientKey] = await Promise.all(
      ['etcd-ca.pem', 'etcd-client.pem', 'etcd-client.key'].map((name) =>
        readFile(join(folder, name)),
      ),
    );
    if (!ca) throw new Error('no CA');
    const store = EtcdStore.connect({
      hosts: [`https://127.0.0.1:${etcdClient}`],
      credentials: { ca, cert, key: clientKey },
      callTimeoutMs: 5_000,
    });
    await store.transact({ if: [], then: [{ type: 'put', key, value }] });
    store.close();
  }
});
