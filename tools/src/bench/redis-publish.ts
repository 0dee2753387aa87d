import { redisKeys } from '#contracts';
import { connectRedis, type RedisConnection } from '#redis';
import { portsOf } from '../../../apps/cli/src/embedded/ports.js';
import { controlLogin } from './redis-work.js';

const ROUND_WITHIN_MS = 30_000;
const CONNECT_AT_ONCE = 64;

/** What a subscriber does with a message, until it has done so. */
type OnArrival = (subscriber: RedisConnection, n: number) => void | Promise<unknown>;

/**
 * The baseline of a delivery: a bare publish of as many bytes as a nudge has, to subscribers on connections and
 * channels of their own, over the TLS of the same Redis. Subscribers live in this process, which favours the baseline.
 */
export class RedisPublish {
  private onArrival: (subscriber: RedisConnection, n: number) => void = () => undefined;

  private constructor(
    private readonly publisher: RedisConnection,
    private readonly subscribers: readonly RedisConnection[],
    private readonly payload: string,
    private readonly answer: string,
    /** Until all subscribers had shaken hands, logged in and subscribed. */
    readonly connectMs: number,
  ) {
    for (const [n, subscriber] of subscribers.entries())
      subscriber.onMessage(() => this.onArrival(subscriber, n));
  }

  /** Connects `count` subscribers; what they hear and answer is as large as record and report of host `nodeId`. */
  static async connect(dataDir: string, count: number, nodeId: string): Promise<RedisPublish> {
    const { redis: port } = await portsOf(dataDir);
    const options = { ...(await controlLogin(dataDir)), port };
    const publisher = connectRedis(options);
    const [heard, answered] = await publisher.run('measuring a record and a report', (client) =>
      Promise.all([
        client.strlen(redisKeys.assignment(nodeId)),
        client.strlen(redisKeys.state(nodeId)),
      ]),
    );
    const subscribers: RedisConnection[] = [];
    const started = performance.now();
    const connect = async (): Promise<void> => {
      while (subscribers.length < count) {
        const n = subscribers.push(connectRedis(options)) - 1;
        await subscribers[n]?.run('subscribing', (client) => client.subscribe(channel(n)));
      }
    };
    await Promise.all(Array.from({ length: CONNECT_AT_ONCE }, connect));
    const connectMs = performance.now() - started;
    const [payload, answer] = ['x'.repeat(heard), 'x'.repeat(answered)];
    return new RedisPublish(publisher, subscribers, payload, answer, connectMs);
  }

  /** Publishes once to each subscriber: milliseconds to each arrival, in order. */
  round(): Promise<readonly number[]> {
    return this.publish(() => undefined);
  }

  /**
   * The baseline of an ack: each subscriber answers at once by the commands of a host that reports. Milliseconds until
   * Redis has each answer, in order. Nothing is verified, kept on a disk, read by anybody or waited for, so whatever
   * delivers over such connections and hears of it takes as long.
   */
  answered(): Promise<readonly number[]> {
    return this.publish((subscriber, n) =>
      subscriber.run('answering', (client) =>
        client
          .pipeline()
          .exists(`${channel(n)}:signed-status`)
          .set(`${channel(n)}:answer`, this.answer)
          .publish('bench:bell', String(n))
          .exec(),
      ),
    );
  }

  close(): void {
    for (const connection of [this.publisher, ...this.subscribers]) connection.close();
  }

  private async publish(onArrival: OnArrival): Promise<readonly number[]> {
    const arrivals: number[] = [];
    const all = Promise.withResolvers<void>();
    const late = setTimeout(
      () => all.reject(new Error('a publish did not arrive, or was not answered')),
      ROUND_WITHIN_MS,
    );
    const started = performance.now();
    const done = (): void => {
      arrivals.push(performance.now() - started);
      if (arrivals.length === this.subscribers.length) all.resolve();
    };
    this.onArrival = (subscriber, n) => {
      const doing = onArrival(subscriber, n);
      if (doing === undefined) done();
      else doing.then(done, all.reject);
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
}

function channel(n: number): string {
  return `bench:${n}`;
}
