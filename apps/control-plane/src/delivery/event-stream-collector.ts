import type { Log } from '#observability';
import type { DeliveryChannel } from './delivery-channel.js';
import { Retry } from './retry.js';

/** What the removal works with. */
export interface EventStreamParts {
  readonly channel: Pick<DeliveryChannel, 'forgetEvents'>;
  readonly serves: (nodeId: string) => boolean;
  readonly log: Log;
}

/**
 * What hosts that are gone have left on the Redis for events, which may be away for long: removed beside the rounds of
 * the delivery, since each try may take as long as a call waits for Redis.
 */
export class EventStreamCollector {
  readonly #nodeIds = new Set<string>();
  readonly #retry = new Retry();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(private readonly parts: EventStreamParts) {}

  /** Hosts of whom something may be left. */
  get size(): number {
    return this.#nodeIds.size;
  }

  add(nodeId: string): void {
    this.#nodeIds.add(nodeId);
    this.#schedule(0);
  }

  /** Ends after the removal that runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped || this.#running || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#removeAll().finally(() => {
        this.#running = undefined;
        if (this.size > 0) this.#schedule(this.#retry.delayMs);
      });
    }, delayMs);
  }

  /** Never rejects. */
  async #removeAll(): Promise<void> {
    try {
      for (const nodeId of this.#nodeIds) {
        if (this.#stopped) return;
        // One that came back in the meantime is not gone.
        if (!this.parts.serves(nodeId)) await this.parts.channel.forgetEvents(nodeId);
        this.#nodeIds.delete(nodeId);
      }
      this.#retry.succeeded();
    } catch (error) {
      this.#retry.failed();
      const gone = this.size;
      this.parts.log.warn('what hosts have left was not removed, trying again', { error, gone });
    }
  }
}
