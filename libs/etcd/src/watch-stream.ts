import type { Etcd3, IDuplexStream, IWatchRequest, IWatchResponse, WatchClient } from 'etcd3';
import { Readable } from 'node:stream';
import { EtcdUnavailable } from './errors.js';
import { prefixEnd } from './key-layout.js';
import { translateError } from './translate-error.js';

type StreamOptions = NonNullable<Parameters<WatchClient['watch']>[0]>;
type Interceptor = NonNullable<StreamOptions['interceptors']>[number];

/** What to watch and when to give a silent stream up. */
export interface WatchStreamOptions {
  readonly prefix: string;
  readonly startRevision: bigint;
  readonly progressEveryMs: number;
  readonly silentAfterMs: number;
  readonly onDown: () => void;
}

/** One watch on the raw stream. It is read on demand, so a slow consumer slows etcd down instead of filling memory. */
export class WatchStream {
  private readonly answers: AsyncIterator<unknown, unknown>;
  private readonly asking: NodeJS.Timeout;
  private silent = false;
  private closed = false;

  private constructor(
    private readonly client: Etcd3,
    private readonly stream: IDuplexStream<IWatchRequest, IWatchResponse> & Readable,
    private readonly options: WatchStreamOptions,
  ) {
    this.answers = stream[Symbol.asyncIterator]();
    stream.on('error', () => this.fell()).on('close', () => this.fell());
    // Each request is answered even when nothing changes: silence then means a dead link, not a quiet one.
    this.asking = setInterval(() => this.write({ progress_request: {} }), options.progressEveryMs);
  }

  /** Opens a stream on `client`, which it owns from now on. */
  static async open(client: Etcd3, options: WatchStreamOptions): Promise<WatchStream> {
    const stream: unknown = await client.watchClient.watch({ interceptors: [requireLeader] });
    if (!isDuplex(stream)) throw new TypeError('the watch stream of etcd3 is no readable stream');
    const watch = new WatchStream(client, stream, options);
    watch.write({
      create_request: {
        key: Buffer.from(options.prefix),
        range_end: prefixEnd(options.prefix),
        start_revision: options.startRevision.toString(),
        progress_notify: true,
        fragment: true,
      },
    });
    return watch;
  }

  /** Next answer; rejects when the stream ends, fails, or says nothing for too long. */
  async next(): Promise<IWatchResponse> {
    const watchdog = setTimeout(() => this.giveUp(), this.options.silentAfterMs);
    try {
      const { done, value } = await this.answers.next();
      if (done === true || !isAnswer(value)) throw new Error('the watch stream ended');
      return value;
    } catch (error) {
      if (!this.silent) throw translateError(error, 'the watch');
      const what = `the watch said nothing for ${this.options.silentAfterMs} ms`;
      throw new EtcdUnavailable(what, 'unknown', error);
    } finally {
      clearTimeout(watchdog);
    }
  }

  close(): void {
    this.closed = true;
    clearInterval(this.asking);
    this.stream.cancel();
    this.client.close();
  }

  /** Also while the consumer is busy and reads nothing; after `close` another stream may be up already. */
  private fell(): void {
    if (!this.closed) this.options.onDown();
  }

  private giveUp(): void {
    this.silent = true;
    this.stream.cancel();
  }

  private write(request: IWatchRequest): void {
    if (this.stream.destroyed) return;
    this.stream.write(request);
  }
}

/** A member that has lost its leader ends the stream instead of keeping it open and silent about new writes. */
const requireLeader = ((options, nextCall) => {
  const call = nextCall(options);
  const start = call.start.bind(call);
  call.start = (metadata, listener) => {
    metadata.set('hasleader', 'true');
    start(metadata, listener);
  };
  return call;
}) as Interceptor;

function isDuplex(
  value: unknown,
): value is IDuplexStream<IWatchRequest, IWatchResponse> & Readable {
  return value instanceof Readable && 'cancel' in value && 'write' in value;
}

function isAnswer(value: unknown): value is IWatchResponse {
  return typeof value === 'object' && value !== null && 'header' in value && 'events' in value;
}
