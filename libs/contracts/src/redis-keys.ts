/** Key and channel names on Redis; written nowhere else. */
export const redisKeys = {
  bundle: (digest: string): string => `hw:b:${digest}`,
  assignment: (nodeId: string): string => `hw:n:${nodeId}:asg`,
  state: (nodeId: string): string => `hw:n:${nodeId}:state`,
  /** What the host signed of itself last; beside its state, since it is longer and seldom new. */
  signedStatus: (nodeId: string): string => `hw:n:${nodeId}:stmt`,
  events: (nodeId: string): string => `hw:n:${nodeId}:ev`,
  /** Authenticated cursor of the last event batch that the store has; written by the control plane. */
  cursor: (nodeId: string): string => `hw:n:${nodeId}:cur`,
  nudge: (nodeId: string): string => `hw:nudge:${nodeId}`,
  check: 'hw:check',
  bell: (shard: number): string => `hw:bell:${shard}`,
} as const;

/** What a host rings on its bell: its id and what has news. */
export interface Ring {
  readonly node: string;
  readonly what: 'state' | 'events';
}
