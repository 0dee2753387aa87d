import type { Etcd3 } from 'etcd3';
import { Readable } from 'node:stream';
import type { CallOptions, Endpoints } from './endpoints.js';
import type { LeaseCalls } from './leased-key.js';

/** Leases by raw calls: the client's own lease object tells of a loss seconds late. */
export class EtcdLease implements LeaseCalls {
  constructor(private readonly endpoints: Endpoints) {}

  async grant(ttlMs: number): Promise<string> {
    const request = { TTL: Math.ceil(ttlMs / 1_000) };
    const answer = await this.endpoints.write('granting a lease', (client, options) =>
      client.leaseClient.leaseGrant(request, options),
    );
    return answer.ID;
  }

  async bind(key: string, value: string, lease: string): Promise<void> {
    const request = { key: Buffer.from(key), value: Buffer.from(value), lease };
    await this.endpoints.write(`writing ${key}`, (client, options) =>
      client.kv.put(request, options),
    );
  }

  keepAlive(lease: string): Promise<boolean> {
    return this.endpoints.read('keeping a lease', (client, options) =>
      keptAlive(client, lease, options),
    );
  }

  async revoke(lease: string): Promise<void> {
    await this.endpoints.write('revoking a lease', (client, options) =>
      client.leaseClient.leaseRevoke({ ID: lease }, options),
    );
  }
}

/** One request on a stream of its own: a stream that is kept open hides that nobody answers. */
async function keptAlive(client: Etcd3, lease: string, options: CallOptions): Promise<boolean> {
  const stream = await client.leaseClient.leaseKeepAlive(options);
  if (!(stream instanceof Readable)) throw new TypeError('the lease stream is no readable stream');
  try {
    return await new Promise<boolean>((resolve, reject) => {
      stream.on('data', (answer: { readonly TTL: string }) => resolve(Number(answer.TTL) > 0));
      stream.on('error', reject);
      stream.on('end', () => reject(new Error('the stream ended without an answer')));
      stream.write({ ID: lease });
    });
  } finally {
    stream.cancel();
  }
}
