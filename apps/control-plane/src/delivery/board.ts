import type { WrittenAssignment } from './assignment-plan.js';

/** What this replica has written for each host since it started, or since the channel lost it. */
export class Board {
  readonly #written = new Map<string, WrittenAssignment>();
  /** How many hosts have each bundle, by its digest: asked after each round, which must not cost a look at all hosts. */
  readonly #uses = new Map<string, number>();

  get(nodeId: string): WrittenAssignment | undefined {
    return this.#written.get(nodeId);
  }

  set(nodeId: string, written: WrittenAssignment): void {
    this.remove(nodeId);
    const { digest } = written.wanted.bundle;
    this.#written.set(nodeId, written);
    this.#uses.set(digest, (this.#uses.get(digest) ?? 0) + 1);
  }

  remove(nodeId: string): void {
    const digest = this.#written.get(nodeId)?.wanted.bundle.digest;
    if (digest === undefined) return;
    this.#written.delete(nodeId);
    const left = (this.#uses.get(digest) ?? 1) - 1;
    if (left === 0) this.#uses.delete(digest);
    else this.#uses.set(digest, left);
  }

  clear(): void {
    this.#written.clear();
    this.#uses.clear();
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
