import { backoffMs } from './connection-options.js';
import { RedisRefused } from './errors.js';
import type { RedisConnection } from './redis.connection.js';

/** How a subscription stands. */
export interface SubscriptionCounters {
  readonly subscribed: boolean;
  readonly subscriptions: number;
  readonly refusals: number;
  readonly messages: number;
}

/** What to hear and what to do then. */
export interface SubscriptionOptions {
  readonly channels: readonly string[];
  readonly onMessage: (channel: string, payload: string) => void;
  /** After each subscription, the first included: messages may have been missed, so read the state itself. */
  readonly onSubscribed: () => void;
  readonly onRefused?: (error: RedisRefused) => void;
}

/**
 * Keeps channels subscribed over every reconnect; a refusal is tried again for ever, never forgotten, and ends nothing
 * else that the connection is used for.
 */
export class Subscription {
  private subscribed = false;
  private subscriptions = 0;
  private refusals = 0;
  private messages = 0;
  private refusedInARow = 0;
  private again: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly connection: RedisConnection,
    private readonly options: SubscriptionOptions,
  ) {
    const own = new Set(options.channels);
    connection.onMessage((channel, payload) => {
      // The connection may be shared with other subscriptions.
      if (this.closed || !own.has(channel)) return;
      this.messages += 1;
      options.onMessage(channel, payload);
    });
    connection.whenReady(() => void this.subscribe());
  }

  get counters(): SubscriptionCounters {
    const { subscriptions, refusals, messages } = this;
    const subscribed = this.subscribed && this.connection.connected;
    return { subscribed, subscriptions, refusals, messages };
  }

  /** Hears nothing more; the connection is its owner's to close. */
  close(): void {
    this.closed = true;
    clearTimeout(this.again);
  }

  private async subscribe(): Promise<void> {
    if (this.closed) return;
    clearTimeout(this.again);
    this.subscribed = false;
    try {
      await this.connection.run('subscribing', (client) =>
        client.subscribe(...this.options.channels),
      );
    } catch (error) {
      this.failed(error);
      return;
    }
    this.subscribed = true;
    this.refusedInARow = 0;
    this.subscriptions += 1;
    this.connection.proved();
    this.options.onSubscribed();
  }

  private failed(error: unknown): void {
    if (!(error instanceof RedisRefused)) {
      // A new connection subscribes anew, after a wait.
      if (!this.closed) this.connection.reconnect();
      return;
    }
    this.refusals += 1;
    this.refusedInARow += 1;
    this.options.onRefused?.(error);
    // `onRefused` may have closed this one.
    if (!this.closed)
      this.again = setTimeout(() => void this.subscribe(), backoffMs(this.refusedInARow));
  }
}
