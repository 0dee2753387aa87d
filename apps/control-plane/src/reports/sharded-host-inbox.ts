import { HostInbox, type HostNews, type SealedEntry } from './host-inbox.js';

/** What hosts send up over several Redis: each host is heard on its own one alone. */
export class ShardedHostInbox extends HostInbox {
  #shardOf: HostNews['shardOf'] = () => undefined;

  /** By the name of the Redis. */
  constructor(private readonly inboxes: ReadonlyMap<string, HostInbox>) {
    super();
  }

  override start(news: HostNews): void {
    this.#shardOf = news.shardOf;
    for (const [shard, inbox] of this.inboxes) {
      const isHere = (nodeId: string): boolean => news.shardOf(nodeId) === shard;
      inbox.start({
        ...news,
        isKnown: (nodeId) => isHere(nodeId) && news.isKnown(nodeId),
        known: () => news.known().filter(isHere),
        closely: () => news.closely().filter(isHere),
      });
    }
  }

  override readAll(): void {
    for (const inbox of this.inboxes.values()) inbox.readAll();
  }

  override isHeard(nodeId: string): boolean {
    return this.#of(nodeId)?.isHeard(nodeId) ?? false;
  }

  override forget(nodeId: string): void {
    for (const inbox of this.inboxes.values()) inbox.forget(nodeId);
  }

  override async signedStatuses(
    nodeIds: readonly string[],
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const found = await Promise.all(
      this.inboxes.entries().map(([shard, inbox]) => {
        return inbox.signedStatuses(nodeIds.filter((nodeId) => this.#shardOf(nodeId) === shard));
      }),
    );
    return new Map(found.flatMap((some) => [...some]));
  }

  override async events(
    nodeId: string,
    limit: number,
    after?: string,
  ): Promise<readonly SealedEntry[]> {
    return (await this.#of(nodeId)?.events(nodeId, limit, after)) ?? [];
  }

  override restMs(nodeId: string): number {
    return this.#of(nodeId)?.restMs(nodeId) ?? 0;
  }

  override async writeCursor(nodeId: string, sealed: Uint8Array): Promise<void> {
    await this.#of(nodeId)?.writeCursor(nodeId, sealed);
  }

  override async remove(nodeId: string, entryIds: readonly string[]): Promise<void> {
    await this.#of(nodeId)?.remove(nodeId, entryIds);
  }

  override async discard(nodeId: string): Promise<void> {
    await this.#of(nodeId)?.discard(nodeId);
  }

  override stop(): void {
    for (const inbox of this.inboxes.values()) inbox.stop();
  }

  /** Undefined where a host is gone, or no Redis of this configuration is its own: there is nothing to read then. */
  #of(nodeId: string): HostInbox | undefined {
    return this.inboxes.get(this.#shardOf(nodeId) ?? '');
  }
}
