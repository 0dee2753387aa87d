import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { redisKeys, type DeliveryRecord } from '#contracts';
import type { Product } from './product.js';

/** What Redis holds of a product, read as the control plane's own user: what a thief of Redis would have. */
export class RedisValues {
  private constructor(
    private readonly args: readonly string[],
    private readonly password: string,
  ) {}

  static async of(product: Product): Promise<RedisValues> {
    const folder = join(product.dataDir, 'control-plane');
    const ports = JSON.parse(await readFile(join(product.dataDir, 'ports.json'), 'utf8')) as {
      redis: number;
    };
    const pki = (name: string): string => join(folder, 'pki', name);
    const args = [
      '--tls',
      '--cacert',
      pki('ca.pem'),
      '-h',
      '127.0.0.1',
      '-p',
      String(ports.redis),
      '--user',
      'control',
    ];
    const password = (
      await readFile(join(folder, 'keys', 'redis-control.password'), 'utf8')
    ).trim();
    return new RedisValues(args, password);
  }

  /** The envelope that an agent would hand to its sensor for this node now, as bytes. */
  async envelope(nodeId: string): Promise<Buffer> {
    for (;;) {
      const record = await this.record(nodeId);
      const bundle = await this.run('GET', redisKeys.bundle(record.bundleDigest));
      // A newer record takes the older one's bundle away.
      if (bundle.length > 0)
        return Buffer.from(JSON.stringify({ v: 1, record, bundle: bundle.toString('base64') }));
      if ((await this.record(nodeId)).bundleDigest === record.bundleDigest)
        throw new Error(`Redis has no bundle ${record.bundleDigest}`);
    }
  }

  private async record(nodeId: string): Promise<DeliveryRecord> {
    const record = await this.run('GET', redisKeys.assignment(nodeId));
    return JSON.parse(record.toString()) as DeliveryRecord;
  }

  flushAll(): Promise<Buffer> {
    return this.run('FLUSHALL');
  }

  /** Ids of the connections that a user has now. */
  async sessions(username: string): Promise<readonly string[]> {
    const list = (await this.run('CLIENT', 'LIST')).toString();
    const own = list.split('\n').filter((line) => line.includes(` user=${username} `));
    return own.map((line) => /\bid=(\d+)/.exec(line)?.[1] ?? '').sort();
  }

  /** Says something on a channel. */
  async publish(channel: string, message: string): Promise<void> {
    await this.run('PUBLISH', channel, message);
  }

  /** The answer of a command, as redis-cli prints it. */
  async run(...command: string[]): Promise<Buffer> {
    const { stdout } = await promisify(execFile)('redis-cli', [...this.args, '--raw', ...command], {
      encoding: 'buffer',
      env: { ...process.env, REDISCLI_AUTH: this.password },
      maxBuffer: 64 * 1024 * 1024,
      timeout: 20_000,
    });
    // redis-cli ends its output with a newline of its own.
    return stdout.subarray(0, -1);
  }
}
