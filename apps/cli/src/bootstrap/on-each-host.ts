import { HostFailure } from './failure.js';
import type { HostKeys } from './host-keys.js';
import { SshSession, type Credentials } from './ssh-session.js';
import type { Target } from './target.js';

/** How hosts are reached. */
export interface Access {
  readonly credentials: Credentials;
  readonly sudoPassword?: string;
  readonly hostKeys: HostKeys;
  readonly jump?: Target;
}

export interface Reach {
  readonly access: Access;
  /** Hosts at a time. */
  readonly concurrency: number;
  /** Breaks off what runs, and begins nothing more. */
  readonly signal: AbortSignal;
}

/** Logs in to the host, which throws HostFailure; the login ends with what is done there. */
export type LogIn = () => Promise<SshSession>;

/** Does one thing on all hosts, some at a time; what came of each, in the order of the targets. `act` must not throw. */
export async function onEachHost<T>(
  targets: readonly Target[],
  { access, concurrency, signal }: Reach,
  act: (target: Target, logIn: LogIn) => Promise<T>,
): Promise<T[]> {
  const bastion = new Bastion(access, signal);
  const outcomes = new Map<Target, T>();
  const waiting = [...targets];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      outcomes.set(next, await one(next));
  };
  const one = async (target: Target): Promise<T> => {
    let session: SshSession | undefined;
    const logIn = async (): Promise<SshSession> => {
      if (signal.aborted) throw new HostFailure('interrupted', 'it was not begun');
      const { credentials, hostKeys } = access;
      const via = await bastion.via();
      session = await SshSession.open(target, credentials, { hostKeys, via, signal });
      return session;
    };
    try {
      return await act(target, logIn);
    } finally {
      session?.close();
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, worker));
  } finally {
    await bastion.close();
  }
  return targets.flatMap((target) => outcomes.get(target) ?? []);
}

/** One login at the bastion, made when the first host needs it. */
class Bastion {
  #session: Promise<SshSession> | undefined;

  constructor(
    private readonly access: Access,
    private readonly signal: AbortSignal,
  ) {}

  via(): Promise<SshSession> | undefined {
    const { jump, credentials, hostKeys } = this.access;
    if (jump === undefined) return undefined;
    const { signal } = this;
    this.#session ??= SshSession.open(jump, credentials, { hostKeys, signal });
    return this.#session;
  }

  async close(): Promise<void> {
    (await this.#session?.catch(() => undefined))?.close();
  }
}
