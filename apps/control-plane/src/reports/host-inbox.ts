/** One entry of a host's event stream, still sealed. */
export interface SealedEntry {
  readonly id: string;
  readonly sealed: Uint8Array;
}

/** Who is told what hosts have for us. Handlers must not throw. */
export interface HostNews {
  /** Whether anybody knows this host; rings of others are dropped. */
  readonly isKnown: (nodeId: string) => boolean;
  /** All hosts whose state is to be read after bells may have been missed. */
  readonly known: () => readonly string[];
  /** Those of them that are to be looked at each second, rung or not. */
  readonly closely: () => readonly string[];
  /** On which Redis a host is; undefined for whom nobody knows. */
  readonly shardOf: (nodeId: string) => string | undefined;
  /** Whether the host has not said yet what became of its assignment. */
  readonly isAwaited: (nodeId: string) => boolean;
  /** Whether assignments are on their way to hosts on this Redis: they go first, for a moment. */
  readonly isWriting: (shard: string) => boolean;
  /** False: it could not be made use of now, and is to come again. */
  readonly state: (nodeId: string, sealed: Uint8Array) => boolean;
  readonly events: (nodeId: string) => void;
}

/** What hosts send up; nothing of it is believed before it was opened with the host's key. */
export abstract class HostInbox {
  /** Begins to listen and goes on through losses of the connection until `stop`. */
  abstract start(news: HostNews): void;

  /** Looks for new states and events of all hosts: after hosts became known that may have rung before. */
  abstract readAll(): void;

  /** Whether this host would be heard now: its Redis is there. */
  abstract isHeard(nodeId: string): boolean;

  /** Forgets what it remembers of a host that is gone. */
  abstract forget(nodeId: string): void;

  /** What these hosts have signed of themselves, sealed, by node id; of who has none, none. Rejects where Redis is away. */
  abstract signedStatuses(nodeIds: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;

  /** The oldest entries of a host's stream; where an id is given, of those that come after it. */
  abstract events(nodeId: string, limit: number, after?: string): Promise<readonly SealedEntry[]>;

  /** Milliseconds until more of this host's events should be read, after much was read of late; 0: now. */
  abstract restMs(nodeId: string): number;

  /** Tells the host up to where everything is stored, sealed. */
  abstract writeCursor(nodeId: string, sealed: Uint8Array): Promise<void>;

  /** Drops entries that are stored, or that nobody can read. */
  abstract remove(nodeId: string, entryIds: readonly string[]): Promise<void>;

  /** Drops all that a host has sent and that was not read yet. */
  abstract discard(nodeId: string): Promise<void>;

  abstract stop(): void;
}
