import type { RedisWork } from './redis-work.js';

/** What is kept of a change that hits all hosts. */
export const KEPT = [
  'last_delivery',
  'commit_to_ack_p50',
  'commit_to_ack_p99',
  'commit_to_ack_last',
] as const;
export type Kept = (typeof KEPT)[number];

/** What is counted of such a change, for each host. */
export const COUNTED = ['redis_commands', 'redis_bytes'] as const;
export type Counted = (typeof COUNTED)[number];

/** One run; a line of the file. */
export interface HistoryEntry {
  readonly v: 1;
  /** ISO 8601. */
  readonly at: string;
  /** Of the source, shortened; empty where there is none. */
  readonly commit: string;
  readonly nodes: number;
  /** The machine; what is before the first comma is its CPU and cores. */
  readonly on: string;
  /** Bare Redis publish to as many subscribers, the last, in the same run; ms. */
  readonly baseline: number;
  /** Median of rounds, ms. */
  readonly ms: Readonly<Record<Kept, number>>;
  /** CPU time a host; absent in runs before it was kept, and where it was too little to be counted. */
  readonly cpuMs?: {
    /** Of the control plane, both Redis and the simulation, for the change; median of rounds. */
    readonly change: number;
    /** Of Redis and the subscriber, for a bare publish. */
    readonly publish: number;
  };
  /** What both Redis do for a host; absent in runs before it was kept. */
  readonly redis?: {
    /** Until the hosts have confirmed the change; median of rounds. */
    readonly change: RedisWork;
    readonly publish: RedisWork;
  };
  /** Which part of the time until the last ack went by after 99 % were there; 0 to 1. */
  readonly shareOfLastPercent: number;
}

/** Over the bare Redis publish of the same run. */
export function ratioOf({ ms, baseline }: HistoryEntry, metric: Kept): number {
  return ms[metric] / baseline;
}
