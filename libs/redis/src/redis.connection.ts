import { Redis } from 'ioredis';
import { TLSSocket } from 'node:tls';
import {
  backoffMs,
  clientOptions,
  DEFAULT_COMMAND_TIMEOUT_MS,
  passwordOf,
  type RedisConnectionOptions,
} from './connection-options.js';
import { RedisUnavailable, translateError } from './errors.js';

/** What a connection has been through. */
export interface ConnectionCounters {
  readonly connects: number;
  readonly disconnects: number;
  readonly failures: number;
  /** Of the connects those that went on with the TLS session of the one before, for two thirds of the CPU. */
  readonly resumed: number;
}

/** One connection to Redis that comes back for ever; commands wait for it up to their deadline, then fail. */
export class RedisConnection {
  private readonly client: Redis;
  private readonly timeoutMs: number;
  private readonly heartbeat: NodeJS.Timeout;
  private readonly onReady: (() => void)[] = [];
  private connects = 0;
  private disconnects = 0;
  private failures = 0;
  private resumed = 0;
  /** Of the last connection; what was checked then is not checked anew, so it is good for the same CAs alone. */
  private session: { readonly ticket: Buffer; readonly ca: unknown } | undefined;
  private failuresInARow = 0;
  private latestError: Error | undefined;
  private wasReady = false;
  private closed = false;
  private guarded: Redis['stream'] | undefined;

  constructor(private readonly options: RedisConnectionOptions) {
    this.timeoutMs = options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
    this.client = new Redis(clientOptions(options, () => this.nextDelayMs()));
    // One listener for each command that waits for the connection.
    this.client.setMaxListeners(0);
    this.client.on('error', (error: Error) => this.failed(error));
    this.client.on('connect', () => this.guard());
    this.client.on('close', () => this.lost());
    this.client.on('ready', () => this.becameReady());
    this.client.connect().catch((error: unknown) => this.failed(error));
    this.heartbeat = setInterval(() => this.beat(), options.heartbeatMs ?? 5_000);
  }

  get connected(): boolean {
    return this.client.status === 'ready';
  }

  get counters(): ConnectionCounters {
    const { connects, disconnects, failures, resumed } = this;
    return { connects, disconnects, failures, resumed };
  }

  /** Newest failure to connect or to stay connected. */
  get lastError(): Error | undefined {
    return this.latestError;
  }

  /** Called after each connect, the first included. */
  whenReady(callback: () => void): void {
    this.onReady.push(callback);
    if (this.connected) callback();
  }

  /** Runs commands on the client within the deadline; waits for the connection first. */
  async run<T>(what: string, commands: (client: Redis) => Promise<T>): Promise<T> {
    try {
      await this.usable();
      return await commands(this.client);
    } catch (error) {
      throw translateError(error, what);
    }
  }

  /** Messages of the channels that were subscribed through `run`. */
  onMessage(callback: (channel: string, payload: string) => void): void {
    this.client.on('message', callback);
  }

  /** New connections show this certificate and trust this CA from now on; the one that stands is kept. */
  useCertificate(tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer }): void {
    // The client hands this object to TLS at each connect.
    if (this.client.options.tls) Object.assign(this.client.options.tls, tls);
    this.session = undefined;
  }

  /** Drops the connection and comes back after a wait: for a subscription that failed. */
  reconnect(): void {
    if (!this.closed) this.client.disconnect(true);
  }

  close(): void {
    this.closed = true;
    this.guard();
    clearInterval(this.heartbeat);
    this.client.disconnect();
  }

  /** To be told once that the connection has proved good: the next failure then waits shortly again. */
  proved(): void {
    this.failuresInARow = 0;
  }

  /** The client hears one error of a socket; a second one (TLS: a late alert) would end the whole process. */
  private guard(): void {
    const { stream } = this.client;
    if (!stream || this.guarded === stream) return;
    this.guarded = stream;
    stream.on('error', () => undefined);
    if (stream instanceof TLSSocket) this.keepSession(stream);
  }

  private keepSession(stream: TLSSocket): void {
    const ca = this.client.options.tls?.ca;
    if (stream.isSessionReused()) this.resumed += 1;
    stream.on('session', (ticket: Buffer) => (this.session = { ticket, ca }));
  }

  private usable(): Promise<void> {
    if (this.connected) return Promise.resolve();
    if (this.closed) return Promise.reject(new RedisUnavailable('the connection is closed'));
    return new Promise((resolve, reject) => {
      const ready = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.client.off('ready', ready);
        reject(translateError(this.latestError ?? new Error('no connection'), 'connecting'));
      }, this.timeoutMs);
      this.client.once('ready', ready);
    });
  }

  private becameReady(): void {
    this.connects += 1;
    this.wasReady = true;
    for (const callback of this.onReady) callback();
  }

  private lost(): void {
    if (this.wasReady) this.disconnects += 1;
    this.wasReady = false;
  }

  private failed(error: unknown): void {
    this.guard();
    this.failures += 1;
    this.latestError = error instanceof Error ? error : new Error(String(error));
  }

  private nextDelayMs(): number | undefined {
    if (this.closed) return undefined;
    this.failuresInARow += 1;
    // The client reads it at each connect.
    this.client.options.password = passwordOf(this.options);
    const { trusted } = this.options;
    const { tls } = this.client.options;
    if (tls) {
      if (trusted) Object.assign(tls, { ca: trusted() });
      Object.assign(tls, {
        session: this.session?.ca === tls.ca ? this.session?.ticket : undefined,
      });
    }
    return backoffMs(this.failuresInARow, this.options);
  }

  private beat(): void {
    if (!this.connected) return;
    this.client.ping().then(
      () => this.proved(),
      (error: unknown) => this.failed(error),
    );
  }
}

/** Begins to connect and returns at once: Redis may be down for now. */
export function connectRedis(options: RedisConnectionOptions): RedisConnection {
  return new RedisConnection(options);
}
