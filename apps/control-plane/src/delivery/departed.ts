import type { Board } from './board.js';
import type { DeliveryChannel } from './delivery-channel.js';
import { Leavings, type LeavingsParts } from './leavings.js';

/** What hosts that are gone are removed from. */
export interface DepartedParts extends LeavingsParts {
  readonly channel: Pick<DeliveryChannel, 'forget' | 'forgetEvents'>;
  readonly board: Board;
}

/** Hosts that are gone, or are served elsewhere now: what they had here is removed. */
export class Departed {
  readonly #nodeIds = new Set<string>();
  readonly #leavings: Leavings;

  constructor(private readonly parts: DepartedParts) {
    this.#leavings = new Leavings(parts);
  }

  /** Hosts that a round is to remove. */
  get size(): number {
    return this.#nodeIds.size;
  }

  /** These, and those of whom something may be left on the Redis for events. */
  get waiting(): number {
    return this.size + this.#leavings.size;
  }

  add(nodeId: string): void {
    this.#nodeIds.add(nodeId);
  }

  /** Takes them off the board. */
  drop(): void {
    for (const nodeId of this.#nodeIds) {
      this.parts.board.remove(nodeId);
      // A host that was offboarded and enrolled anew in the meantime is not gone.
      if (this.parts.serves(nodeId)) this.#nodeIds.delete(nodeId);
    }
  }

  /** Removes what they have left; what cannot be removed stays on the list. */
  async forgetAll(): Promise<void> {
    for (const nodeId of [...this.#nodeIds]) {
      // One that came back while others were delivered to is not gone in the next round.
      if (this.parts.serves(nodeId)) continue;
      await this.forget(nodeId);
      this.#nodeIds.delete(nodeId);
      this.parts.board.remove(nodeId);
    }
  }

  /** Removes what this one has left; on the Redis for events when that can be reached. */
  async forget(nodeId: string): Promise<void> {
    await this.parts.channel.forget(nodeId);
    this.#leavings.add(nodeId);
  }

  /** Ends after the removal that runs. */
  async stop(): Promise<void> {
    await this.#leavings.stop();
  }
}
