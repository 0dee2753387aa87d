import type { DeliveredState } from './delivered-state.js';
import type { DeliveryChannel } from './delivery-channel.js';
import { EventStreamCollector, type EventStreamParts } from './event-stream-collector.js';

/** What hosts that are gone are removed from. */
export interface RemovedHostParts extends EventStreamParts {
  readonly channel: Pick<DeliveryChannel, 'forget' | 'forgetEvents'>;
  readonly delivered: DeliveredState;
}

/** Hosts that are gone, or are served elsewhere now: what they had here is removed. */
export class RemovedHostCollector {
  readonly #nodeIds = new Set<string>();
  readonly #eventStreams: EventStreamCollector;

  constructor(private readonly parts: RemovedHostParts) {
    this.#eventStreams = new EventStreamCollector(parts);
  }

  /** Hosts that a round is to remove. */
  get size(): number {
    return this.#nodeIds.size;
  }

  /** These, and those of whom something may be left on the Redis for events. */
  get waiting(): number {
    return this.size + this.#eventStreams.size;
  }

  add(nodeId: string): void {
    this.#nodeIds.add(nodeId);
  }

  /** Takes them off the delivered state. */
  drop(): void {
    for (const nodeId of this.#nodeIds) {
      this.parts.delivered.remove(nodeId);
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
      this.parts.delivered.remove(nodeId);
    }
  }

  /** Removes what this one has left; on the Redis for events when that can be reached. */
  async forget(nodeId: string): Promise<void> {
    await this.parts.channel.forget(nodeId);
    this.#eventStreams.add(nodeId);
  }

  /** Ends after the removal that runs. */
  async stop(): Promise<void> {
    await this.#eventStreams.stop();
  }
}
