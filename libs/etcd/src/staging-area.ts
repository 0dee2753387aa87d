import type { Endpoints } from './endpoints.js';
import { internalKeys, prefixEnd } from './key-layout.js';
import type { RangeReader } from './range-reader.js';
import { decodePointer } from './staged-pointer.js';
import {
  type BytesWrite,
  FLAT_OPERATIONS,
  REQUEST_BYTES,
  toRequest,
  writeBytes,
} from './transaction-plan.js';

/** Time that a change set has from its first body to its commit. */
const STAGING_TTL_S = 300;
const SWEEP_PAGE = 500;

type Put = Extract<BytesWrite, { type: 'put' }>;

/** Bodies of values that are too many for one request, written before the transaction that points to them. */
export class StagingArea {
  constructor(
    private readonly endpoints: Endpoints,
    private readonly reader: RangeReader,
  ) {}

  /** Opens the area `id` by a marker that expires by itself, and writes the bodies; nothing points to them yet. */
  async store(id: string, bodies: readonly Put[]): Promise<void> {
    await this.open(id);
    for (const batch of batches(bodies.map((body) => stagedPut(id, body)))) {
      await this.endpoints.write('staging values', (client, options) =>
        client.kv.txn(toRequest([], batch), options),
      );
    }
  }

  /** True while a commit of `id` is still possible: its marker is there until commit, discard or expiry. */
  async isOpen(id: string): Promise<boolean> {
    return (await this.reader.get(internalKeys.staging(id))) !== undefined;
  }

  /** Closes an area that will never be committed and removes its bodies. Marker first: see `sweep`. */
  async discard(id: string): Promise<void> {
    await this.removeRange(internalKeys.staging(id));
    const prefix = internalKeys.stagedBody(id, '/');
    await this.removeRange(prefix, prefixEnd(prefix));
  }

  /**
   * Removes bodies that nothing points to. Only a commit lets a key point to a body, and a commit needs the marker;
   * so with the marker gone (read first) a key that points elsewhere (read second) never comes back to it.
   */
  async sweep(): Promise<number> {
    let removed = 0;
    let after: string | undefined;
    do {
      const page = await this.stagedKeys(after);
      for (const body of page.keys) removed += (await this.sweepOne(body)) ? 1 : 0;
      after = page.next;
    } while (after !== undefined);
    return removed;
  }

  private async sweepOne(bodyKey: string): Promise<boolean> {
    const rest = bodyKey.slice(internalKeys.staged.length);
    const slash = rest.indexOf('/');
    const [id, key] = [rest.slice(0, slash), rest.slice(slash)];
    if (await this.isOpen(id)) return false;
    if ((await this.pointerOf(key)) === id) return false;
    await this.removeRange(bodyKey);
    return true;
  }

  private async pointerOf(key: string): Promise<string | undefined> {
    const answer = await this.endpoints.read(`reading ${key}`, (client, options) =>
      client.kv.range({ key: Buffer.from(key) }, options),
    );
    const [item] = answer.kvs;
    return item && decodePointer(item.value);
  }

  private async stagedKeys(after?: string): Promise<{ keys: string[]; next?: string }> {
    const answer = await this.endpoints.read('listing staged values', (client, options) =>
      client.kv.range(
        {
          key: Buffer.from(after === undefined ? internalKeys.staged : `${after}\0`),
          range_end: prefixEnd(internalKeys.staged),
          limit: SWEEP_PAGE,
          keys_only: true,
        },
        options,
      ),
    );
    const keys = answer.kvs.map((kv) => kv.key.toString());
    const last = keys.at(-1);
    return { keys, ...(answer.more && last !== undefined && { next: last }) };
  }

  private async open(id: string): Promise<void> {
    await this.endpoints.write('opening a staging area', async (client, options) => {
      const { ID: lease } = await client.leaseClient.leaseGrant({ TTL: STAGING_TTL_S }, options);
      const key = Buffer.from(internalKeys.staging(id));
      return client.kv.put({ key, value: Buffer.from('open'), lease }, options);
    });
  }

  private async removeRange(key: string, end?: Buffer): Promise<void> {
    await this.endpoints.write(`removing ${key}`, (client, options) =>
      client.kv.deleteRange({ key: Buffer.from(key), ...(end && { range_end: end }) }, options),
    );
  }
}

function stagedPut(id: string, body: Put): Put {
  return { ...body, key: internalKeys.stagedBody(id, body.key) };
}

function batches(puts: readonly Put[]): Put[][] {
  const groups: Put[][] = [];
  let bytes = Infinity;
  for (const put of puts) {
    const current = groups.at(-1);
    if (current && current.length < FLAT_OPERATIONS && bytes + writeBytes(put) <= REQUEST_BYTES) {
      current.push(put);
      bytes += writeBytes(put);
    } else {
      groups.push([put]);
      bytes = writeBytes(put);
    }
  }
  return groups;
}
