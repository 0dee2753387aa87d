import type { DeliveryRecord, Ordering } from '#contracts';

/** A record for a host. */
export interface Parcel {
  readonly nodeId: string;
  readonly record: DeliveryRecord;
}

/** Where assignments go; it may lose everything at any moment. Its methods throw while it cannot be reached. */
export abstract class DeliveryChannel {
  /** Calls `refill` at the first contact and whenever the channel has lost what it held, again until it resolves. */
  abstract onLoss(refill: () => Promise<void>): void;

  /** Stores a bundle under its digest; the same digest always means the same bytes. */
  abstract putBundle(digest: string, ciphertext: Uint8Array): Promise<void>;

  /** Removes bundles that no host is to have any more. */
  abstract dropBundles(digests: readonly string[]): Promise<void>;

  /** Stores each record and nudges its host, only if its ordering is greater than the one that is there. */
  abstract write(parcels: readonly Parcel[]): Promise<readonly ('written' | 'stale')[]>;

  /** The ordering that is there for a host. */
  abstract orderingOf(nodeId: string): Promise<Ordering | undefined>;

  /** Removes everything of a host that is gone. */
  abstract forget(nodeId: string): Promise<void>;

  /** Whether it can be reached now, with the last failure in words. */
  abstract health(): { readonly ok: boolean; readonly detail: string };

  abstract close(): void;
}
