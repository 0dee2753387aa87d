import type { HostOffence, NodeUserSource } from '#redis';

/** The users of all hosts, and on which Redis each is to be. */
export interface HostUserSource extends NodeUserSource {
  readonly shardOf: (nodeId: string) => string | undefined;
}

/** The users by which hosts log in to Redis, on every node of it, and what they do to others there. */
export abstract class HostUsers {
  /**
   * Begins to keep them as `source` says, through restarts and losses of the connection, until `close`; and to tell of
   * hosts that use up what all share. `onOffence` must not throw.
   */
  abstract start(source: HostUserSource, onOffence: (offence: HostOffence) => void): void;

  /** These hosts' users may have changed. */
  abstract mark(nodeIds: Iterable<string>): void;

  abstract close(): Promise<void>;
}
