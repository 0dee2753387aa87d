import {
  DeliveryWriter,
  EventStreams,
  StateInbox,
  SignedStatusReader,
  type RedisConnection,
} from '#redis';
import { HostInbox, type HostNews, type SealedEntry } from './host-inbox.js';

/** Hosts ring on one bell each by their id; one is enough for a control plane of one process. */
const SHARDS = 1;

/**
 * What hosts send up, on Redis; `bells` is a connection of its own, since a subscriber cannot do anything else. Events
 * may have a Redis of their own.
 */
export class RedisHostInbox extends HostInbox {
  readonly #streams: EventStreams;
  readonly #states: DeliveryWriter;
  readonly #signedStatuses: SignedStatusReader;
  #inbox: StateInbox | undefined;

  constructor(
    private readonly shard: string,
    connection: RedisConnection,
    private readonly bells: RedisConnection,
    events: RedisConnection,
  ) {
    super();
    this.#states = new DeliveryWriter(connection);
    this.#signedStatuses = new SignedStatusReader(connection);
    this.#streams = new EventStreams(events);
  }

  override start(news: HostNews): void {
    this.#inbox = new StateInbox(this.bells, {
      shards: SHARDS,
      known: news.known,
      closely: news.closely,
      isKnown: news.isKnown,
      isAwaited: news.isAwaited,
      isBusy: () => news.isWriting(this.shard),
      onState: news.state,
      onEvents: news.events,
      haveEvents: (nodeIds) => this.#streams.holding(nodeIds),
    });
  }

  override readAll(): void {
    this.#inbox?.readAll();
  }

  override isHeard(): boolean {
    return this.#inbox?.counters.subscribed ?? false;
  }

  override forget(nodeId: string): void {
    this.#inbox?.forget(nodeId);
  }

  override signedStatuses(nodeIds: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
    return this.#signedStatuses.read(nodeIds);
  }

  override events(nodeId: string, limit: number, after?: string): Promise<readonly SealedEntry[]> {
    return this.#streams.read(nodeId, limit, after);
  }

  override restMs(nodeId: string): number {
    return this.#streams.restMs(nodeId);
  }

  override async writeCursor(nodeId: string, sealed: Uint8Array): Promise<void> {
    await this.#streams.writeCursor(nodeId, Buffer.from(sealed));
  }

  override async remove(nodeId: string, entryIds: readonly string[]): Promise<void> {
    await this.#streams.remove(nodeId, [...entryIds]);
  }

  override async discard(nodeId: string): Promise<void> {
    await this.#states.dropState(nodeId);
    await this.#streams.discard(nodeId);
  }

  override stop(): void {
    this.#inbox?.close();
  }
}
