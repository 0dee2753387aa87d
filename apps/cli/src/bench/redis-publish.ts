import { redisKeys } from '#contracts';
import { connectRedis, type RedisConnection } from '#redis';
import { portsOf } from '../embedded/ports.js';
import { controlLogin } from './redis-work.js';

const ROUND_WITHIN_MS = 30_000;
const CONNECT_AT_ONCE = 64;

/**
 * The baseline of a delivery: a bare publish of as many bytes as a nudge has, to subscribers on connections and
 * channels of their own, over the TLS of the same Redis. Subscribers live in this process, which favours the baseline.
 */
export class RedisPublish {
  private onArrival: () => void = () => undefined;

  private constructor(
    private readonly publisher: RedisConnection,
    private readonly subscribers: readonly RedisConnection[],
    private readonly payload: string,
  ) {
    for (const subscriber of subscribers) subscriber.onMessage(() => this.onArrival());
  }

  /** Connects `count` subscribers; the payload is as large as the record of host `nodeId`. */
  static async connect(dataDir: string, count: number, nodeId: string): Promise<RedisPublish> {
    const { redis: port } = await portsOf(dataDir);
    const options = { ...(await controlLogin(dataDir)), port };
    const publisher = connectRedis(options);
    const bytes = await publisher.run('measuring a record', (client) =>
      client.strlen(redisKeys.assignment(nodeId)),
    );
    const subscribers: RedisConnection[] = [];
    const connect = async (): Promise<void> => {
      while (subscribers.length < count) {
        const n = subscribers.push(connectRedis(options)) - 1;
        await subscribers[n]?.run('subscribing', (client) => client.subscribe(channel(n)));
      }
    };
    await Promise.all(Array.from({ length: CONNECT_AT_ONCE }, connect));
    return new RedisPublish(publisher, subscribers, 'x'.repeat(bytes));
  }

  /** Publishes once to each subscriber: milliseconds to each arrival, in order. */
  async round(): Promise<readonly number[]> {
    const arrivals: number[] = [];
    const all = Promise.withResolvers<void>();
    const late = setTimeout(
      () => all.reject(new Error('a publish did not arrive')),
      ROUND_WITHIN_MS,
    );
    const started = performance.now();
    this.onArrival = () => {
      arrivals.push(performance.now() - started);
      if (arrivals.length === this.subscribers.length) all.resolve();
    };
    try {
      const sent = this.publisher.run('publishing', (client) =>
        Promise.all(this.subscribers.map((_, n) => client.publish(channel(n), this.payload))),
      );
      await Promise.all([sent, all.promise]);
    } finally {
      clearTimeout(late);
    }
    return arrivals;
  }

  close(): void {
    for (const connection of [this.publisher, ...this.subscribers]) connection.close();
  }
}

function channel(n: number): string {
  return `bench:${n}`;
}
