import type { DeliveryRecord } from '#contracts';
import { DeliveryWriter, RedisUnavailable, RunWatcher, type RedisConnection } from '#redis';
import type { Log } from '#observability';
import { DeliveryChannel, type Held, type Parcel, type WriteOutcome } from './delivery-channel.js';

const LOOK_EVERY_MS = 1_000;

/** Assignments on Redis; what a host that is gone has left is removed from the one for events too. */
export class RedisDeliveryChannel extends DeliveryChannel {
  readonly #writer: DeliveryWriter;
  readonly #events: DeliveryWriter;
  #watcher: RunWatcher | undefined;

  constructor(
    private readonly connection: RedisConnection,
    private readonly events: RedisConnection,
    private readonly log: Log,
  ) {
    super();
    this.#writer = new DeliveryWriter(connection);
    this.#events = new DeliveryWriter(events);
  }

  override onLoss(refill: () => Promise<void>): void {
    this.#watcher = new RunWatcher(this.connection, {
      everyMs: LOOK_EVERY_MS,
      onRunChanged: async ({ reason }) => {
        this.log.info('filling Redis from etcd', { reason });
        await refill();
      },
      onError: (error) => this.log.debug('Redis cannot be looked at', { error }),
    });
  }

  override async putBundle(digest: string, ciphertext: Uint8Array): Promise<void> {
    await this.#writer.putBundle(digest, Buffer.from(ciphertext));
  }

  override bundle(digest: string): Promise<Uint8Array | undefined> {
    return this.#writer.bundle(digest);
  }

  override async dropBundles(digests: readonly string[]): Promise<void> {
    await this.#writer.dropBundles(digests);
  }

  override write(parcels: readonly Parcel[]): Promise<readonly WriteOutcome[]> {
    return this.#writer.writeMany(parcels);
  }

  override records(nodeIds: readonly string[]): Promise<readonly (DeliveryRecord | undefined)[]> {
    return this.#writer.records(nodeIds);
  }

  override discard(nodeId: string): Promise<void> {
    return this.#writer.discard(nodeId);
  }

  override async present({ bundles, nodeIds }: Held): Promise<Held> {
    return {
      bundles: await this.#writer.heldBundles([...bundles]),
      nodeIds: await this.#writer.heldAssignments([...nodeIds]),
    };
  }

  override async contents(): Promise<Held> {
    // At once: a round of the delivery waits for this.
    if (!this.events.connected) throw new RedisUnavailable('that for events is not connected');
    const { bundles, nodeIds } = await this.#writer.contents();
    const there = await this.#events.contents();
    return { bundles, nodeIds: nodeIds.union(there.nodeIds) };
  }

  override async forget(nodeId: string): Promise<void> {
    await this.#writer.forgetNode(nodeId);
  }

  override async forgetEvents(nodeId: string): Promise<void> {
    await this.#events.forgetNode(nodeId);
  }

  override health(): { readonly ok: boolean; readonly detail: string } {
    const away = [this.connection, this.events].find(({ connected }) => !connected);
    if (!away) return { ok: true, detail: 'connected' };
    const reason = away.lastError?.message.slice(0, 200);
    const what = away === this.connection ? 'not connected' : 'that for events is not connected';
    return { ok: false, detail: `${what}${reason === undefined ? '' : `: ${reason}`}` };
  }

  override close(): void {
    this.#watcher?.close();
  }
}
