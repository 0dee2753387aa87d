import type { RedisOptions } from 'ioredis';
import type { TlsSession } from './tls-session.js';

/** Where a node of Redis, or a Sentinel, listens. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** How to reach Redis and how long to wait for it. */
export interface RedisConnectionOptions {
  readonly host?: string;
  readonly port: number;
  /** Asked at each connect, in the place of `host` and `port`: they are tried in turn. One at least. */
  readonly candidates?: () => readonly RedisAddress[];
  /** Only a node that says that it is a master is used, and one that says so no longer is left; default false. */
  readonly masterOnly?: boolean;
  readonly username?: string;
  /** A function is asked at each connect: a secret that was rotated needs no new connection. */
  readonly password?: string | (() => string);
  /** PEM; its presence turns TLS on. `serverName` is the name that the certificate must carry. */
  readonly tls?: {
    readonly ca: string | Buffer;
    readonly cert?: string | Buffer;
    readonly key?: string | Buffer;
    readonly serverName?: string;
  };
  /** PEM, asked at each connect, in the place of `tls.ca`: a CA that is replaced needs no new connection. */
  readonly trusted?: () => string;
  /** Of the connections before this one to the same place; default a new one. */
  readonly session?: TlsSession;
  /**
   * How long a command waits for the connection, and then for anything at all to come on it, beside the time that what it
   * sends takes on a slow link; default 3,000.
   */
  readonly commandTimeoutMs?: number;
  /** Deadline of an answer while data comes: a large one takes its time on a slow link; default `commandTimeoutMs`. */
  readonly answerTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Ceiling of the wait between two attempts; default 10,000. */
  readonly maxBackoffMs?: number;
  /** A connection on which nothing was written for so long is probed, so that a dead link is found; default 5,000. */
  readonly heartbeatMs?: number;
  /** Injected for tests: uniform in [0, 1). */
  readonly random?: () => number;
}

export const DEFAULT_COMMAND_TIMEOUT_MS = 3_000;
const DEFAULT_MAX_BACKOFF_MS = 10_000;
export const DEFAULT_HEARTBEAT_MS = 5_000;
const BASE_BACKOFF_MS = 100;

/** How long is waited; `spreadMs` of a fleet that is too large to come back as fast as each host could. */
export interface Backoff extends Pick<RedisConnectionOptions, 'maxBackoffMs' | 'random'> {
  readonly spreadMs?: number;
}

/**
 * Full jitter: uniform between 0 and a ceiling that doubles; a fleet never comes back in step. With `spreadMs` uniform
 * over that from the second failure on: that the first attempt fails too means that all others have failed as well.
 */
export function backoffMs(failures: number, options: Backoff = {}): number {
  const { maxBackoffMs = DEFAULT_MAX_BACKOFF_MS, random = Math.random, spreadMs } = options;
  if (spreadMs !== undefined && failures > 1) return random() * spreadMs;
  return random() * Math.min(maxBackoffMs, BASE_BACKOFF_MS * 2 ** Math.min(failures, 20));
}

/**
 * Options for the client, without what it does behind our back: no queue while disconnected (it has no bound), no
 * resending of old commands, no resubscription of its own (nobody waits for it, so a refusal would end the process),
 * no INFO or CLIENT SETINFO (a limited user fills the ACL log with them).
 */
export function clientOptions(
  options: RedisConnectionOptions,
  nextDelayMs: () => number | undefined,
): RedisOptions {
  const { host, port } = candidatesOf(options)[0] ?? options;
  const { username, tls } = options;
  const password = passwordOf(options);
  const silenceMs = options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
  return {
    host,
    port,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && {
      tls: {
        ca: options.trusted?.() ?? tls.ca,
        cert: tls.cert,
        key: tls.key,
        ...serverName(tls.serverName),
      },
    }),
    protocol: 3,
    lazyConnect: true,
    commandTimeout: options.answerTimeoutMs ?? silenceMs,
    connectTimeout: options.connectTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS,
    // Destroys a socket whose far end has vanished; a timed-out command alone would leave it open. Data begins it anew.
    socketTimeout: silenceMs,
    disconnectTimeout: 500,
    retryStrategy: nextDelayMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    disableClientInfo: true,
  };
}

/** Where to connect now, one after the other. */
export function candidatesOf(options: RedisConnectionOptions): readonly RedisAddress[] {
  const { candidates, host = '127.0.0.1', port } = options;
  return candidates?.() ?? [{ host, port }];
}

/** The password to log in with now. */
export function passwordOf({ password }: RedisConnectionOptions): string | undefined {
  return typeof password === 'function' ? password() : password;
}

function serverName(name: string | undefined): { servername?: string } {
  return name === undefined ? {} : { servername: name };
}

/** In a fleet that is to come back within `ms`; `shortest` is what a host waits at most in a small one. */
export function backoffWithin(
  ms: number,
  shortest = DEFAULT_MAX_BACKOFF_MS,
): Pick<Backoff, 'maxBackoffMs' | 'spreadMs'> {
  return ms > shortest ? { maxBackoffMs: ms, spreadMs: ms } : { maxBackoffMs: shortest };
}
