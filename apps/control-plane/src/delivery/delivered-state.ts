import type { AssignmentVersion } from '#contracts';
import { doesTheSame, type WrittenAssignment } from './assignment-plan.js';

/** What this replica has written for each host since it started, or since the channel lost it. */
export class DeliveredState {
  readonly #written = new Map<string, WrittenAssignment>();
  /** What hosts were known to have when the channel lost it, until they are written for again. */
  readonly #lost = new Map<string, WrittenAssignment>();
  /** Hosts that something newer is on its way to: whether they have it is not known. */
  readonly #unsure = new Set<string>();
  /** How many hosts have each bundle, by its digest: asked after each round, which must not cost a look at all hosts. */
  readonly #uses = new Map<string, number>();

  get(nodeId: string): WrittenAssignment | undefined {
    return this.#written.get(nodeId);
  }

  /** What the host was known to have last, whatever the channel has lost since and is on its way: what a status is made of. */
  known(nodeId: string): WrittenAssignment | undefined {
    return this.#written.get(nodeId) ?? this.#lost.get(nodeId);
  }

  /**
   * What the channel has lost and may get again as it was, if this replica rendered it; undefined where the host may have
   * had a newer one since.
   */
  lost(nodeId: string): WrittenAssignment | undefined {
    return this.#unsure.has(nodeId) ? undefined : this.#lost.get(nodeId);
  }

  /** Whether it may have something newer than `get` says. */
  isUnsure(nodeId: string): boolean {
    return this.#unsure.has(nodeId);
  }

  set(nodeId: string, written: WrittenAssignment): void {
    const first = firstOf(written, this.known(nodeId));
    this.remove(nodeId);
    this.#written.set(nodeId, { ...written, first });
    for (const digest of digestsOf(written))
      this.#uses.set(digest, (this.#uses.get(digest) ?? 0) + 1);
  }

  /** A newer one goes to this host: from now on it may have that, until `set` says so. */
  begin(nodeId: string): void {
    this.#unsure.add(nodeId);
  }

  /** The host has another name now, and what it had before. */
  rename(nodeId: string, node: string): void {
    for (const held of [this.#written, this.#lost]) {
      const before = held.get(nodeId);
      if (before) held.set(nodeId, { ...before, wanted: { ...before.wanted, node } });
    }
  }

  remove(nodeId: string): void {
    this.#lost.delete(nodeId);
    this.#unsure.delete(nodeId);
    const written = this.#written.get(nodeId);
    if (!written) return;
    this.#written.delete(nodeId);
    for (const digest of digestsOf(written)) this.#release(digest);
  }

  #release(digest: string): void {
    const left = (this.#uses.get(digest) ?? 1) - 1;
    if (left === 0) this.#uses.delete(digest);
    else this.#uses.set(digest, left);
  }

  /** The channel has lost this host's. */
  lose(nodeId: string): void {
    const written = this.#written.get(nodeId);
    if (!written) return;
    const isUnsure = this.#unsure.has(nodeId);
    this.remove(nodeId);
    this.#lost.set(nodeId, written);
    if (isUnsure) this.#unsure.add(nodeId);
  }

  /** The channel has lost everything. */
  loseAll(): void {
    for (const nodeId of this.nodeIds()) this.lose(nodeId);
  }

  all(): Iterable<WrittenAssignment> {
    return this.#written.values();
  }

  /** All hosts that something was written for. */
  nodeIds(): ReadonlySet<string> {
    return new Set(this.#written.keys());
  }

  /** Digests of all bundles in use; costs as many steps as there are bundles. */
  digests(): ReadonlySet<string> {
    return new Set(this.#uses.keys());
  }
}

function firstOf(
  written: WrittenAssignment,
  before: WrittenAssignment | undefined,
): AssignmentVersion | undefined {
  if (before === undefined) return written.first;
  return doesTheSame(written, before) ? before.first : written.assignmentVersion;
}

/** Our own rendering stays in use too: it is what a change is compared with. */
function digestsOf({ wanted, bundleDigest }: WrittenAssignment): ReadonlySet<string> {
  return new Set([wanted.bundle.digest, bundleDigest]);
}
