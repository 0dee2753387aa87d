import { Logger } from '@nestjs/common';
import { RedisContext, ServerRedis } from '@nestjs/microservices';
import type { RedisConnectionOptions } from './connection-options.js';
import { RedisRefused, translateError } from './errors.js';
import { RedisConnection } from './redis.connection.js';
import { Subscription, type SubscriptionCounters } from './subscription.js';

export interface HostwardTransportOptions extends RedisConnectionOptions {
  /** A connection to use instead of one of its own; whoever made it closes it. */
  readonly shared?: RedisConnection;
  /** Channel of each pattern of the handlers, e.g. `{ nudge: 'hw:nudge:ID' }`; a pattern left out is its own channel. */
  readonly channels?: Readonly<Record<string, string>>;
  /** After each subscription: nudges may have been missed, so compare now. */
  readonly onSubscribed?: () => void;
  /**
   * True: `listen` succeeds also where Redis refuses, and it is tried again for ever; a host's user may be made a moment
   * later. `onRefused` is told of each refusal.
   */
  readonly patient?: boolean;
  readonly onRefused?: (error: RedisRefused) => void;
  /** `listen` waits as long for the first subscription, then reports success and goes on trying; default 5,000. */
  readonly listenTimeoutMs?: number;
  /** Larger messages are dropped and counted; default 1 MiB. */
  readonly maxMessageBytes?: number;
}

/** Counters of the transport. */
export interface TransportCounters extends SubscriptionCounters {
  readonly connects: number;
  readonly handlerFailures: number;
  readonly oversized: number;
}

/**
 * Nest's Redis transport for events, without what makes it deaf: one connection instead of two, a subscription that
 * is waited for (a refused channel makes `listen` fail), endless retry with full jitter, and a heartbeat that finds
 * a dead link. Messages of handlers with a reply are not taken: a host answers by its state, never by a message.
 */
export class HostwardRedisTransport extends ServerRedis {
  private connection: RedisConnection | undefined;
  private subscription: Subscription | undefined;
  private handlerFailures = 0;
  private oversized = 0;
  private listening = false;
  protected override readonly logger = new Logger(HostwardRedisTransport.name);

  constructor(private readonly settings: HostwardTransportOptions) {
    super({});
  }

  get counters(): TransportCounters {
    const idle = { subscribed: false, subscriptions: 0, refusals: 0, messages: 0 };
    return {
      ...(this.subscription?.counters ?? idle),
      connects: this.connection?.counters.connects ?? 0,
      handlerFailures: this.handlerFailures,
      oversized: this.oversized,
    };
  }

  override async listen(callback: (error?: unknown) => void): Promise<void> {
    const first = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.settle(first), this.settings.listenTimeoutMs ?? 5_000);
    this.subscribeAll(first);
    try {
      await first.promise;
    } catch (error) {
      await this.close();
      callback(error);
      return;
    } finally {
      clearTimeout(timer);
    }
    this.listening = true;
    callback();
  }

  override close(): Promise<void> {
    this.isManuallyClosed = true;
    this.subscription?.close();
    if (this.settings.shared === undefined) this.connection?.close();
    return Promise.resolve();
  }

  /** Our patterns are plain names: to find that out Nest parses each as JSON at each message, and catches the error. */
  protected override getRouteFromPattern(pattern: string): string {
    return pattern;
  }

  private subscribeAll(first: PromiseWithResolvers<void>): void {
    const channels = new Map(
      [...this.messageHandlers.keys()].map((pattern) => [this.channelOf(pattern), pattern]),
    );
    this.connection = this.settings.shared ?? new RedisConnection(this.settings);
    this.subscription = new Subscription(this.connection, {
      channels: [...channels.keys()],
      onMessage: (channel, payload) => void this.handle(channels.get(channel) ?? channel, payload),
      onSubscribed: () => {
        first.resolve();
        this.settings.onSubscribed?.();
      },
      onRefused: (error) => this.refused(error, first),
    });
  }

  /** Unreachable is no reason not to start: enforcement does not need Redis. A wrong password is. */
  private settle(first: PromiseWithResolvers<void>): void {
    const failure = this.connection?.lastError;
    const error = failure && translateError(failure, 'connecting');
    if (error instanceof RedisRefused && this.settings.patient !== true) first.reject(error);
    else first.resolve();
  }

  private channelOf(pattern: string): string {
    return this.settings.channels?.[pattern] ?? pattern;
  }

  private refused(error: RedisRefused, first: PromiseWithResolvers<void>): void {
    this.settings.onRefused?.(error);
    if (this.settings.patient === true) return;
    if (this.listening) this.logger.error(`subscription refused, tried again: ${error.message}`);
    first.reject(error);
  }

  private async handle(pattern: string, payload: string): Promise<void> {
    if (payload.length > (this.settings.maxMessageBytes ?? 1024 * 1024)) {
      this.oversized += 1;
      return;
    }
    try {
      const message = this.parseMessage(payload);
      const packet = await this.deserializer.deserialize(message, { channel: pattern });
      // Only the data is taken over: with an id the sender could ask for an answer.
      const data: unknown = packet.data;
      await this.handleEvent(pattern, { pattern, data }, new RedisContext([pattern]));
    } catch (error) {
      this.handlerFailures += 1;
      this.handleError(error instanceof Error ? error.message : String(error));
    }
  }
}
