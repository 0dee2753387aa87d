import { addAbortListener, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { NodeSSH, type Config } from 'node-ssh';
import { HostFailure } from './failure.js';
import type { HostKeys } from './host-keys.js';
import type { Target } from './target.js';
import { messageOf } from '../output/errors.js';

/** By what one logs in; each that is there is tried. */
export interface Credentials {
  readonly password?: string;
  /** Private key in PEM or OpenSSH's form, not encrypted. */
  readonly privateKey?: string;
  /** Socket of an ssh-agent. */
  readonly agent?: string;
}

export interface ExecOptions {
  readonly input?: Readable | string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Called with each whole line of standard error as it comes. */
  readonly onErrorLine?: (line: string) => void;
}

export interface ExecResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const CONNECT_MS = 15_000;
/** A person may compare a fingerprint meanwhile. */
const HANDSHAKE_MS = 120_000;
const KEEPALIVE_MS = 10_000;
/** What one command may say; a host that says more is not one that we installed on. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** How a login is made. */
export interface OpenOptions {
  readonly hostKeys: HostKeys;
  /** Another session to go through. */
  readonly via?: SshSession;
  /** Breaks the login off, also while a person is asked. */
  readonly signal: AbortSignal;
}

/** One login by ssh, of node-ssh, whose host key was checked; every failure is a HostFailure. */
export class SshSession {
  #lost: HostFailure | undefined;

  private constructor(
    private readonly ssh: NodeSSH,
    private readonly sock: Duplex,
    private readonly target: Target,
  ) {}

  /** Logs in, directly or through another session. */
  static async open(
    target: Target,
    credentials: Credentials,
    { hostKeys, via, signal }: OpenOptions,
  ): Promise<SshSession> {
    const { host, port } = target;
    const way = via === undefined ? tcp(host, port, signal) : via.forward(host, port);
    const sock = await unlessInterrupted(way, signal);
    const ssh = new NodeSSH();
    try {
      const login = logIn(ssh, { target, sock, credentials, hostKeys, signal });
      await unlessInterrupted(login, signal);
    } catch (error) {
      sock.destroy();
      throw error;
    }
    const session = new SshSession(ssh, sock, target);
    // After the login every loss is told by the command that it broke off.
    ssh.connection?.on('error', (cause) => session.#lose(cause));
    ssh.connection?.on('close', () => session.#lose());
    return session;
  }

  /** Whom it logged in as. */
  get user(): string {
    return this.target.user;
  }

  /** Bytes on the wire so far, of this login's own connection; undefined where it goes through another. */
  get wire(): { readonly sent: number; readonly received: number } | undefined {
    if (!('bytesWritten' in this.sock)) return undefined;
    const { bytesWritten, bytesRead } = this.sock as Socket;
    return { sent: bytesWritten, received: bytesRead };
  }

  /** Runs a command line in the user's shell to its end. */
  async exec(
    command: string,
    { input, timeoutMs, signal, onErrorLine }: ExecOptions,
  ): Promise<ExecResult> {
    if (this.#lost !== undefined) throw this.#lost;
    const ending = new AbortController();
    const stop = AbortSignal.any([signal, ending.signal]);
    const lines = new Lines(onErrorLine);
    let said = 0;
    const bounded = (chunk: Buffer): void => {
      said += chunk.length;
      if (said > MAX_OUTPUT_BYTES) this.close();
    };
    const ran = this.ssh.execCommand(command, {
      stdin: input,
      onChannel: (channel) => channel.on('error', () => undefined),
      onStdout: bounded,
      onStderr: (chunk) => {
        bounded(chunk);
        lines.take(chunk);
      },
    });
    try {
      const { code, stdout, stderr } = await Promise.race([ran, this.#over(timeoutMs, stop)]);
      if (code !== null) return { code, stdout, stderr };
      throw this.#lost ?? new HostFailure('connection-lost', 'the command was ended from outside');
    } catch (error) {
      // The rest of a command that nobody waits for any more.
      ran.catch(() => undefined);
      if (error instanceof HostFailure) throw error;
      throw this.#lost ?? new HostFailure('connection-lost', messageOf(error), { cause: error });
    } finally {
      ending.abort();
      if (typeof input === 'object') input.destroy();
    }
  }

  /** A connection from there to another host. */
  async forward(host: string, port: number): Promise<Duplex> {
    try {
      return await this.ssh.forwardOut('127.0.0.1', 0, host, port);
    } catch (cause) {
      const through = `${host}:${port} cannot be reached from ${this.target.text}`;
      throw new HostFailure('unreachable', `${through}: ${messageOf(cause)}`, { cause });
    }
  }

  close(): void {
    this.ssh.dispose();
    this.sock.destroy();
  }

  #lose(cause?: Error): void {
    const words = cause === undefined ? '' : `: ${cause.message}`;
    this.#lost ??= new HostFailure('connection-lost', `the connection ended${words}`, { cause });
  }

  async #over(timeoutMs: number, signal: AbortSignal): Promise<never> {
    await delay(timeoutMs, undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) this.close();
    throw signal.aborted
      ? new HostFailure('interrupted', 'broken off')
      : new HostFailure('timed-out', `no end within ${timeoutMs / 1000} s`);
  }
}

/** Standard error by lines, as it comes in pieces. */
class Lines {
  #rest = '';

  constructor(private readonly give: ((line: string) => void) | undefined) {}

  take(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString('utf8')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.give?.(line);
  }
}

/** Throws HostFailure as soon as the run is broken off, and leaves the rest of the work to its end. */
async function unlessInterrupted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const listening = addAbortListener(signal, () =>
    reject(new HostFailure('interrupted', 'broken off')),
  );
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    listening[Symbol.dispose]();
  }
}

async function tcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host, port });
  const stop = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
  try {
    await once(socket, 'connect', { signal: stop });
    return socket;
  } catch (cause) {
    socket.destroy();
    const words =
      cause instanceof Error && cause.name === 'AbortError' ? 'no answer' : messageOf(cause);
    throw new HostFailure('unreachable', `${host}:${port}: ${words}`, { cause });
  }
}

interface Login {
  readonly target: Target;
  readonly sock: Duplex;
  readonly credentials: Credentials;
  readonly hostKeys: HostKeys;
  readonly signal: AbortSignal;
}

async function logIn(
  ssh: NodeSSH,
  { target, sock, credentials, hostKeys, signal }: Login,
): Promise<void> {
  const { user, host, port } = target;
  const { password, privateKey, agent } = credentials;
  const algorithms = hostKeys.algorithmsOf(host, port);
  let refused: Error | undefined;
  const config: Config = {
    sock,
    username: user,
    readyTimeout: HANDSHAKE_MS,
    keepaliveInterval: KEEPALIVE_MS,
    keepaliveCountMax: 3,
    // Of several keys of a host, one that is known is asked for.
    ...(algorithms.length === 0 ? {} : { algorithms: { serverHostKey: algorithms } }),
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(agent === undefined ? {} : { agent }),
    ...(password === undefined ? {} : passwordLogin(password)),
    hostVerifier: (key, verify) => {
      hostKeys.check(host, port, key, signal).then(
        () => verify(true),
        (error: unknown) => {
          refused = error instanceof Error ? error : new Error(String(error));
          verify(false);
        },
      );
    },
  };
  await ssh.connect(config).catch((error: unknown) => {
    throw refused ?? loginFailure(target, error);
  });
}

/** Many an sshd asks for a password only in this way. */
function passwordLogin(password: string): Partial<Config> {
  return {
    password,
    tryKeyboard: true,
    onKeyboardInteractive: (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(({ echo }) => (echo === true ? '' : password))),
  };
}

function loginFailure({ text }: Target, error: unknown): HostFailure {
  const level = error instanceof Error && 'level' in error ? error.level : undefined;
  const words = messageOf(error);
  if (level === 'client-authentication')
    return new HostFailure('auth-failed', `${text} takes none of what was offered`, {
      cause: error,
    });
  if (/host key|no matching host key/i.test(words))
    return new HostFailure('host-key-changed', `${text} has no key of the known kind: ${words}`, {
      cause: error,
    });
  return new HostFailure('unreachable', `${text}: ${words}`, { cause: error });
}
