import { performance } from 'node:perf_hooks';
import { HostFailure, type FailureCode } from './failure.js';
import type { HostKeys } from './host-keys.js';
import { runHost, type HostState, type RunSettings } from './host-run.js';
import { RootShell } from './root-shell.js';
import { SshSession, type Credentials } from './ssh-session.js';
import type { Target } from './target.js';

/** What became of one host, as `--json` tells it. */
export interface HostReport {
  readonly target: string;
  readonly state: HostState | 'failed';
  readonly name?: string;
  readonly nodeId?: string;
  readonly warnings?: readonly string[];
  readonly code?: FailureCode;
  readonly message?: string;
  readonly remedy?: string;
  readonly seconds: number;
  /** On the wire; absent through a bastion. */
  readonly sentBytes?: number;
  readonly receivedBytes?: number;
}

/** How hosts are reached. */
export interface Access {
  readonly credentials: Credentials;
  readonly sudoPassword?: string;
  readonly hostKeys: HostKeys;
  readonly jump?: Target;
}

export interface RunOptions {
  readonly access: Access;
  readonly settings: RunSettings;
  readonly concurrency: number;
  readonly signal: AbortSignal;
  /** Called as each host goes on and comes to its end. */
  readonly tell: (target: Target, words: string) => void;
}

/** Brings all hosts in, some at a time, and tells of each; one that fails keeps no other. */
export async function runBootstrap(
  targets: readonly Target[],
  options: RunOptions,
): Promise<HostReport[]> {
  const bastion = new Bastion(options.access);
  const reports = new Map<Target, HostReport>();
  const waiting = [...targets];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      reports.set(next, await reportOf(next, bastion, options));
  };
  try {
    await Promise.all(Array.from({ length: options.concurrency }, worker));
  } finally {
    await bastion.close();
  }
  return targets.flatMap((target) => reports.get(target) ?? []);
}

/** One login at the bastion, made when the first host needs it. */
class Bastion {
  #session: Promise<SshSession> | undefined;

  constructor(private readonly access: Access) {}

  via(): Promise<SshSession> | undefined {
    const { jump, credentials, hostKeys } = this.access;
    if (jump === undefined) return undefined;
    this.#session ??= SshSession.open(jump, credentials, { hostKeys });
    return this.#session;
  }

  async close(): Promise<void> {
    (await this.#session?.catch(() => undefined))?.close();
  }
}

async function reportOf(
  target: Target,
  bastion: Bastion,
  options: RunOptions,
): Promise<HostReport> {
  const began = performance.now();
  const open: { session?: SshSession } = {};
  const common = () => {
    const wire = open.session?.wire;
    return {
      target: target.text,
      seconds: Number(((performance.now() - began) / 1_000).toFixed(2)),
      ...(wire && { sentBytes: wire.sent, receivedBytes: wire.received }),
    };
  };
  try {
    const outcome = await hostOutcome(target, bastion, options, open);
    options.tell(target, outcome.state);
    return { ...common(), ...outcome };
  } catch (error) {
    if (!(error instanceof HostFailure)) throw error;
    const { code, message, remedy } = error;
    options.tell(target, `failed: ${code}`);
    return { ...common(), state: 'failed', name: target.name, code, message, remedy };
  } finally {
    open.session?.close();
  }
}

async function hostOutcome(
  target: Target,
  bastion: Bastion,
  { access, settings, signal, tell }: RunOptions,
  open: { session?: SshSession },
) {
  if (signal.aborted) throw new HostFailure('interrupted', 'it was not begun');
  const { credentials, sudoPassword, hostKeys } = access;
  open.session = await SshSession.open(target, credentials, { hostKeys, via: await bastion.via() });
  const shell = await RootShell.of(open.session, sudoPassword, signal);
  return runHost(target, settings, { shell, signal, tell: (step) => tell(target, step) });
}
