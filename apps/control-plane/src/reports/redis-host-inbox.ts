import { EventStreams, StateInbox, type RedisConnection } from '#redis';
import { HostInbox, type HostNews, type SealedEntry } from './host-inbox.js';

/** Hosts ring on one bell each by their id; one is enough for a control plane of one process. */
const SHARDS = 1;

/** What hosts send up, on Redis; `bells` is a connection of its own, since a subscriber cannot do anything else. */
export class RedisHostInbox extends HostInbox {
  readonly #streams: EventStreams;
  #inbox: StateInbox | undefined;

  constructor(
    connection: RedisConnection,
    private readonly bells: RedisConnection,
  ) {
    super();
    this.#streams = new EventStreams(connection);
  }

  override start(news: HostNews): void {
    this.#inbox = new StateInbox(this.bells, {
      shards: SHARDS,
      known: news.known,
      isKnown: news.isKnown,
      onState: news.state,
      onEvents: news.events,
    });
  }

  override readAll(): void {
    this.#inbox?.readAll();
  }

  override events(nodeId: string, limit: number): Promise<readonly SealedEntry[]> {
    return this.#streams.read(nodeId, limit);
  }

  override async writeCursor(nodeId: string, sealed: Uint8Array): Promise<void> {
    await this.#streams.writeCursor(nodeId, Buffer.from(sealed));
  }

  override async remove(nodeId: string, entryIds: readonly string[]): Promise<void> {
    await this.#streams.remove(nodeId, [...entryIds]);
  }

  override stop(): void {
    this.#inbox?.close();
  }
}
