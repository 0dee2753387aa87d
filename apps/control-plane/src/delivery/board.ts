import type { WrittenAssignment } from './assignment-plan.js';

/** What this replica has written for each host since it started, or since the channel lost it. */
export class Board {
  readonly #written = new Map<string, WrittenAssignment>();

  get(nodeId: string): WrittenAssignment | undefined {
    return this.#written.get(nodeId);
  }

  set(nodeId: string, written: WrittenAssignment): void {
    this.#written.set(nodeId, written);
  }

  remove(nodeId: string): void {
    this.#written.delete(nodeId);
  }

  clear(): void {
    this.#written.clear();
  }

  all(): Iterable<WrittenAssignment> {
    return this.#written.values();
  }

  /** All hosts that something was written for. */
  nodeIds(): ReadonlySet<string> {
    return new Set(this.#written.keys());
  }

  /** Digests of all bundles in use. */
  digests(): ReadonlySet<string> {
    return new Set([...this.#written.values()].map(({ wanted }) => wanted.bundle.digest));
  }
}
