import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectRedis, type RedisConnection } from '#redis';
import { TestHost } from '../../../apps/control-plane/src/testing/test-host.js';
import type { Product } from './product.js';

/**
 * Hosts that enrol with the running product and say what a test tells them to, with keys of their own: states that
 * only a kernel could give (`enforced`, a denial) without one.
 */
export class StandIns {
  private constructor(
    private readonly product: Product,
    private readonly connection: RedisConnection,
  ) {}

  static async of(product: Product): Promise<StandIns> {
    const folder = join(product.dataDir, 'control-plane');
    const ports = JSON.parse(await readFile(join(product.dataDir, 'ports.json'), 'utf8')) as {
      redis: number;
    };
    const password = await readFile(join(folder, 'keys', 'redis-agent.password'), 'utf8');
    const connection = connectRedis({
      port: ports.redis,
      username: 'agent',
      password: password.trim(),
      tls: { ca: await readFile(join(folder, 'pki', 'ca.pem')) },
      maxBackoffMs: 200,
    });
    return new StandIns(product, connection);
  }

  /** A host that has joined. */
  async host(name: string, labels = ''): Promise<TestHost> {
    const host = new TestHost(name, await this.product.rest());
    host.attach(this.connection);
    const answer = await host.enroll(await this.product.joinToken(labels));
    if (answer.status !== 200) throw new Error(`${name} could not join: ${answer.text}`);
    return host;
  }

  close(): void {
    this.connection.close();
  }
}
