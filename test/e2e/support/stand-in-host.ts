import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectRedis, type RedisConnection } from '#redis';
import { TestHost } from '../../../apps/control-plane/src/testing/test-host.js';
import type { Product } from './product.js';

interface Ports {
  readonly redis: number;
  readonly redisEvents: number;
}

/**
 * Hosts that enrol with the running product and say what a test tells them to, with keys of their own: states that
 * only a kernel could give (`enforced`, a denial) without one.
 */
export class StandIns {
  private readonly connections = new Map<RedisConnection, TestHost>();

  private constructor(
    private readonly product: Product,
    private readonly ports: Ports,
    private readonly ca: Buffer,
  ) {}

  static async of(product: Product): Promise<StandIns> {
    const folder = join(product.dataDir, 'control-plane');
    const ports = await readFile(join(product.dataDir, 'ports.json'), 'utf8');
    const ca = await readFile(join(folder, 'pki', 'ca.pem'));
    return new StandIns(product, JSON.parse(ports) as Ports, ca);
  }

  /** A host that has joined. */
  async host(name: string, labels = ''): Promise<TestHost> {
    const host = new TestHost(name, await this.product.rest());
    const answer = await host.enroll(await this.product.joinToken(labels));
    if (answer.status !== 200) throw new Error(`${name} could not join: ${answer.text}`);
    host.attach(this.connectionOf(host), this.connectionOf(host, 'redisEvents'));
    return host;
  }

  /** A further connection of a host, as itself. */
  connectionOf(host: TestHost, to: keyof Ports = 'redis'): RedisConnection {
    const { ports, ca } = this;
    const at = { port: ports[to], tls: { ca }, maxBackoffMs: 200 };
    const connection = connectRedis({ ...at, ...host.redisLogin });
    this.connections.set(connection, host);
    return connection;
  }

  /** Where the Redis of the product is, and by which CA. */
  endpoint(to: keyof Ports = 'redis'): { readonly port: number; readonly ca: string } {
    return { port: this.ports[to], ca: this.ca.toString('utf8') };
  }

  /** Switches a host off: one that was cut off would try to come back several times a second. */
  switchOff(host: TestHost): void {
    for (const [connection, its] of this.connections) if (its === host) connection.close();
  }

  close(): void {
    for (const connection of this.connections.keys()) connection.close();
  }
}
