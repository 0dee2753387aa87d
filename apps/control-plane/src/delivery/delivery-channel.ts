import type { DeliveryRecord } from '#contracts';

/** A record for a host, and the bundle that it names, which is stored beforehand all the same. */
export interface Parcel {
  readonly nodeId: string;
  readonly record: DeliveryRecord;
  readonly bundle: Uint8Array;
  /** What is there of this generation or a later one, and names another bundle, is not written over. */
  readonly since: bigint;
}

/**
 * `stale`: what is there is at least as new. `conflict`: what is there names another bundle, at the same assignment version or at
 * a generation not below `since`.
 */
export type WriteOutcome = 'written' | 'stale' | 'conflict';

/** What the channel holds, by digest and by node id. */
export interface Held {
  readonly bundles: ReadonlySet<string>;
  readonly nodeIds: ReadonlySet<string>;
}

/** Where assignments go; it may lose everything at any moment. Its methods throw while it cannot be reached. */
export abstract class DeliveryChannel {
  /** Calls `refill` at the first contact and whenever the channel has lost what it held, again until it resolves. */
  abstract onLoss(refill: () => Promise<void>): void;

  /** Stores a bundle under its digest; the same digest always means the same bytes. */
  abstract putBundle(digest: string, ciphertext: Uint8Array): Promise<void>;

  /** The bundle of this digest; undefined where it is not there. */
  abstract bundle(digest: string): Promise<Uint8Array | undefined>;

  /** Removes bundles that no host is to have any more. */
  abstract dropBundles(digests: readonly string[]): Promise<void>;

  /** Stores each record and nudges its host, only if its assignment version is greater than the one that is there; see `since`. */
  abstract write(parcels: readonly Parcel[]): Promise<readonly WriteOutcome[]>;

  /** The records that are there, in the order of the ids; undefined for what is none. */
  abstract records(nodeIds: readonly string[]): Promise<readonly (DeliveryRecord | undefined)[]>;

  /** Removes the record of a host, so that the next write counts whatever its assignment version. */
  abstract discard(nodeId: string): Promise<void>;

  /** Of these, what is there: assignments by node id, and bundles. */
  abstract present(wanted: Held): Promise<Held>;

  /** All bundles, and all hosts of whom anything is there; costs a walk over all keys. */
  abstract contents(): Promise<Held>;

  /** Removes everything of a host that is gone, but what it has left on the Redis for events. */
  abstract forget(nodeId: string): Promise<void>;

  /** Removes what a host that is gone has left on the Redis for events. */
  abstract forgetEvents(nodeId: string): Promise<void>;

  /** Whether it can be reached now, with the last failure in words. */
  abstract health(): { readonly ok: boolean; readonly detail: string };

  abstract close(): void;
}
