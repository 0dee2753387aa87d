import { Redis } from 'ioredis';
import { TLSSocket } from 'node:tls';
import {
  backoffMs,
  backoffWithin,
  candidatesOf,
  clientOptions,
  DEFAULT_COMMAND_TIMEOUT_MS,
  DEFAULT_HEARTBEAT_MS,
  passwordOf,
  type Backoff,
  type RedisAddress,
  type RedisConnectionOptions,
} from './connection-options.js';
import { NotMaster, RedisUnavailable, translateError } from './errors.js';
import { saidRole } from './said-role.js';
import { contextOf, TlsSession } from './tls-session.js';

/** Of a link that is slow and not dead: 64 kbit/s. */
const SLOWEST_BYTES_PER_MS = 8;

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
  private heartbeat: NodeJS.Timeout;
  private heartbeatMs: number;
  private readonly onReady: (() => void)[] = [];
  /** Commands that wait for the connection. */
  private readonly waiting = new Set<() => void>();
  /** Bytes of what was sent and is not answered yet, where they are told. */
  private sending = 0;
  private connects = 0;
  private disconnects = 0;
  private failures = 0;
  private resumed = 0;
  private readonly session: TlsSession;
  private failuresInARow = 0;
  private backoff: Backoff;
  /** Which of the candidates is tried; another one only after one that could not be used. */
  private turn = 0;
  private wasUsed = false;
  private latestError: Error | undefined;
  /** What ended the connection, until the next one is made. */
  private endedBy: Error | undefined;
  private usableNow = false;
  private wroteAt = -Infinity;
  private closed = false;
  private guarded: Redis['stream'] | undefined;

  constructor(private readonly options: RedisConnectionOptions) {
    this.timeoutMs = options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
    this.backoff = backoffWithin(0, options.maxBackoffMs);
    this.session = options.session ?? new TlsSession();
    this.client = new Redis(clientOptions(options, () => this.nextDelayMs()));
    this.prepareTls();
    this.client.on('error', (error: Error) => this.failed((this.endedBy = error)));
    this.client.on('connect', () => this.connecting());
    this.client.on('close', () => this.lost());
    this.client.on('ready', () => void this.admit());
    this.client.connect().catch((error: unknown) => this.failed(error));
    this.heartbeatMs = options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS;
    this.heartbeat = this.beatIn(this.heartbeatMs);
  }

  get connected(): boolean {
    return this.usableNow && this.client.status === 'ready';
  }

  /** Where it connects, or is connected. */
  get address(): RedisAddress {
    const { host = '', port = 0 } = this.client.options;
    return { host, port };
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

  /**
   * Runs commands on the client within the deadline; waits for the connection first. To be told of `bytes` that a slow
   * link takes its time to send: meanwhile nothing comes.
   */
  async run<T>(what: string, commands: (client: Redis) => Promise<T>, bytes = 0): Promise<T> {
    try {
      await this.usable();
      this.send(bytes);
      try {
        return await commands(this.client);
      } finally {
        this.send(-bytes);
      }
    } catch (error) {
      // The master of before has become a replica: the one of now is looked for.
      if (this.options.masterOnly && isReadOnly(error)) this.reconnect();
      throw translateError(this.reason(error), what);
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
    this.session.keep(undefined, undefined);
  }

  /**
   * The wait between two attempts may become as long from now on; never less. From one heartbeat to the next it is as long
   * too, or as long as said (Redis takes 60 s of silence). The first attempt is made at once as before: if that fails, it
   * is not this connection alone that was lost, and all who lost theirs spread over the whole time.
   */
  slowTo(ms: number, beatEveryMs = ms): void {
    this.backoff = backoffWithin(ms, this.options.maxBackoffMs);
    const heartbeatMs = Math.max(beatEveryMs, this.options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS);
    if (this.closed || heartbeatMs === this.heartbeatMs) return;
    this.heartbeatMs = heartbeatMs;
    clearTimeout(this.heartbeat);
    this.heartbeat = this.beatIn(heartbeatMs);
  }

  /** Drops the connection and comes back after a wait: for a subscription that failed. */
  reconnect(): void {
    if (!this.closed) this.client.disconnect(true);
  }

  /** The candidates have changed: goes to the first of them without a wait, where it is not connected there. */
  retarget(): void {
    const [first] = candidatesOf(this.options);
    if (this.closed || first === undefined || isSame(first, this.address)) return;
    [this.turn, this.wasUsed, this.failuresInARow] = [0, true, 0];
    if (this.client.status !== 'reconnecting') return this.reconnect();
    this.prepare();
    this.client.connect().catch((error: unknown) => this.failed(error));
  }

  close(): void {
    this.closed = true;
    this.guard();
    clearTimeout(this.heartbeat);
    this.client.disconnect();
  }

  /** To be told once that the connection has proved good: the next failure then waits shortly again. */
  proved(): void {
    this.failuresInARow = 0;
  }

  /** To be told of each write that Redis took: one shows that the link and the master are good as well as a heartbeat does. */
  wrote(): void {
    this.proved();
    this.wroteAt = performance.now();
  }

  private connecting(): void {
    this.endedBy = undefined;
    this.guard();
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
    stream.on('session', (ticket: Buffer) => this.session.keep(ticket, ca));
  }

  /** The client reads this option whenever it begins to wait for data. */
  private send(bytes: number): void {
    if (bytes === 0) return;
    this.sending += bytes;
    this.client.options.socketTimeout =
      this.timeoutMs + Math.ceil(this.sending / SLOWEST_BYTES_PER_MS);
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
        this.waiting.delete(ready);
        reject(translateError(this.latestError ?? new Error('no connection'), 'connecting'));
      }, this.timeoutMs);
      this.waiting.add(ready);
    });
  }

  /** A node that is no master is left before anybody has used it. */
  private async admit(): Promise<void> {
    const { stream } = this.client;
    if (this.options.masterOnly && !(await this.isMaster())) return;
    // What was asked may have been answered by a connection that is gone.
    if (this.client.status === 'ready' && this.client.stream === stream) this.becameReady();
  }

  /** Leaves a node that is no master, or is not in use yet and does not say what it is. */
  private async isMaster(): Promise<boolean> {
    const { host, port } = this.address;
    try {
      const role = saidRole(await this.client.hello('3'));
      if (role === 'master') return true;
      throw new NotMaster(`${host}:${port}`, role);
    } catch (error) {
      this.failed(error);
      // Thousands ask in a storm: that the master in use is late with its answer does not make it another.
      if (this.usableNow && !(error instanceof NotMaster)) return false;
      this.lost();
      this.reconnect();
      return false;
    }
  }

  private becameReady(): void {
    this.connects += 1;
    [this.usableNow, this.wasUsed] = [true, true];
    for (const callback of this.onReady) callback();
    for (const go of [...this.waiting]) go();
    this.waiting.clear();
  }

  private lost(): void {
    if (this.usableNow) this.disconnects += 1;
    this.usableNow = false;
    this.wroteAt = -Infinity;
  }

  private failed(error: unknown): void {
    this.guard();
    this.failures += 1;
    const reason = this.reason(error);
    this.latestError = reason instanceof Error ? reason : new Error(String(reason));
  }

  /** A command that waits for its answer is told by the client that the connection has ended, but not why. */
  private reason(error: unknown): unknown {
    return isCutOff(error) ? (this.endedBy ?? new Error('the connection has ended')) : error;
  }

  private nextDelayMs(): number | undefined {
    if (this.closed) return undefined;
    this.failuresInARow += 1;
    this.prepare();
    const rounds = Math.ceil(this.failuresInARow / candidatesOf(this.options).length);
    return backoffMs(rounds, { ...this.options, ...this.backoff });
  }

  /** The client reads these options at each connect. */
  private prepare(): void {
    const candidates = candidatesOf(this.options);
    // The one that was good is tried again first: mostly it was the link that failed.
    if (!this.wasUsed) this.turn += 1;
    this.wasUsed = false;
    const { host, port } = candidates[this.turn % candidates.length] ?? this.address;
    const password = passwordOf(this.options);
    Object.assign(this.client.options, { host, port, password });
    this.prepareTls();
  }

  private prepareTls(): void {
    const { tls } = this.client.options;
    if (!tls) return;
    const ca = this.options.trusted?.();
    if (ca !== undefined) Object.assign(tls, { ca });
    if (ca !== undefined && tls.cert === undefined)
      Object.assign(tls, { secureContext: contextOf(ca) });
    Object.assign(tls, { session: this.session.ticketFor(tls.ca) });
  }

  private beatIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      const silentMs = performance.now() - this.wroteAt;
      const isDue = silentMs >= this.heartbeatMs;
      this.heartbeat = this.beatIn(isDue ? this.heartbeatMs : this.heartbeatMs - silentMs);
      if (isDue) this.beat();
    }, ms);
  }

  private beat(): void {
    if (!this.connected) return;
    if (this.options.masterOnly) {
      void this.isMaster().then((is) => is && this.proved());
      return;
    }
    this.client.ping().then(
      () => this.proved(),
      (error: unknown) => this.failed(error),
    );
  }
}

function isReadOnly(error: unknown): boolean {
  return error instanceof Error && /\bREADONLY\b/.test(error.message);
}

function isCutOff(error: unknown): boolean {
  return error instanceof Error && /max retries per request|connection close$/.test(error.message);
}

function isSame(one: RedisAddress, other: RedisAddress): boolean {
  return one.host === other.host && one.port === other.port;
}

/** Begins to connect and returns at once: Redis may be down for now. */
export function connectRedis(options: RedisConnectionOptions): RedisConnection {
  return new RedisConnection(options);
}
