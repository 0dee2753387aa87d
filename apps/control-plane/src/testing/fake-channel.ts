import type { DeliveryRecord, AssignmentVersion } from '#contracts';
import {
  DeliveryChannel,
  type Held,
  type Parcel,
  type WriteOutcome,
} from '../delivery/delivery-channel.js';

/** Holds what it is given, and fails, loses or delays as a test says. */
export class FakeChannel extends DeliveryChannel {
  readonly there = new Map<string, DeliveryRecord>();
  readonly bundles = new Set<string>();
  readonly #bytes = new Map<string, Uint8Array>();
  /** Hosts of whom something lies on the Redis for events. */
  readonly events = new Set<string>();
  writes = 0;
  looks = 0;
  failures = 0;
  beforeAnswer: () => void = () => undefined;
  whileBundleIsPut: () => void = () => undefined;
  whileRecordsAreRead: () => void = () => undefined;

  override onLoss(): void {
    return undefined;
  }
  override putBundle(digest: string, ciphertext: Uint8Array): Promise<void> {
    this.bundles.add(digest);
    this.#bytes.set(digest, ciphertext);
    this.whileBundleIsPut();
    return Promise.resolve();
  }
  override bundle(digest: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.bundles.has(digest) ? this.#bytes.get(digest) : undefined);
  }
  override dropBundles(digests: readonly string[]): Promise<void> {
    for (const digest of digests) this.bundles.delete(digest);
    return Promise.resolve();
  }
  override write(parcels: readonly Parcel[]): Promise<readonly WriteOutcome[]> {
    if (this.failures-- > 0) return Promise.reject(new Error('cut'));
    const outcomes = parcels.map(({ nodeId, record, since }) => {
      const there = this.there.get(nodeId);
      if (there && key(there.assignmentVersion) >= key(record.assignmentVersion))
        return 'stale' as const;
      if (there && isAnother(there, record, since)) return 'conflict' as const;
      this.writes += 1;
      this.there.set(nodeId, record);
      return 'written' as const;
    });
    this.beforeAnswer();
    return Promise.resolve(outcomes);
  }
  override records(nodeIds: readonly string[]) {
    this.whileRecordsAreRead();
    return Promise.resolve(nodeIds.map((nodeId) => this.there.get(nodeId)));
  }
  override discard(nodeId: string): Promise<void> {
    this.there.delete(nodeId);
    return Promise.resolve();
  }
  override present({ bundles, nodeIds }: Held): Promise<Held> {
    this.looks += 1;
    return Promise.resolve({
      bundles: new Set([...bundles].filter((digest) => this.bundles.has(digest))),
      nodeIds: new Set([...nodeIds].filter((nodeId) => this.there.has(nodeId))),
    });
  }
  override contents(): Promise<Held> {
    return Promise.resolve({
      bundles: new Set(this.bundles),
      nodeIds: new Set([...this.there.keys(), ...this.events]),
    });
  }
  override forget(nodeId: string): Promise<void> {
    this.there.delete(nodeId);
    return Promise.resolve();
  }
  override forgetEvents(nodeId: string): Promise<void> {
    this.events.delete(nodeId);
    return Promise.resolve();
  }
  override health() {
    return { ok: true, detail: '' };
  }
  override close(): void {
    return undefined;
  }
}

const isAnother = (there: DeliveryRecord, ours: DeliveryRecord, since: bigint): boolean =>
  there.bundleDigest !== ours.bundleDigest &&
  there.assignmentVersion.epoch === ours.assignmentVersion.epoch &&
  BigInt(there.assignmentVersion.generation) >= since;

const key = ({ epoch, generation, issuedAt }: AssignmentVersion): string =>
  [epoch, generation, String(issuedAt)].map((part) => part.padStart(20, '0')).join();
