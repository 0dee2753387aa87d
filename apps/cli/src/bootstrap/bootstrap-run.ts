import { performance } from 'node:perf_hooks';
import { failureOf, type FailureCode } from './failure.js';
import { runHost, type HostState, type RunSettings } from './host-run.js';
import { onEachHost, type LogIn, type Reach } from './on-each-host.js';
import { RootShell } from './root-shell.js';
import type { SshSession } from './ssh-session.js';
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

export interface RunOptions extends Reach {
  readonly settings: RunSettings;
  /** Called as each host goes on and comes to its end. */
  readonly tell: (target: Target, words: string) => void;
}

/** Brings all hosts in, some at a time, and tells of each; one that fails keeps no other. */
export async function runBootstrap(
  targets: readonly Target[],
  options: RunOptions,
): Promise<HostReport[]> {
  return onEachHost(targets, options, (target, logIn) => reportOf(target, logIn, options));
}

async function reportOf(target: Target, logIn: LogIn, options: RunOptions): Promise<HostReport> {
  const began = performance.now();
  let session: SshSession | undefined;
  const common = () => {
    const wire = session?.wire;
    return {
      target: target.text,
      seconds: Number(((performance.now() - began) / 1_000).toFixed(2)),
      ...(wire && { sentBytes: wire.sent, receivedBytes: wire.received }),
    };
  };
  try {
    session = await logIn();
    const outcome = await hostOutcome(target, session, options);
    options.tell(target, outcome.state);
    return { ...common(), ...outcome };
  } catch (error) {
    const { code, message, remedy } = failureOf(error);
    options.tell(target, `failed: ${code}`);
    return { ...common(), state: 'failed', name: target.name, code, message, remedy };
  }
}

async function hostOutcome(
  target: Target,
  session: SshSession,
  { access, settings, signal, tell }: RunOptions,
) {
  const shell = await RootShell.of(session, access.sudoPassword, signal);
  return runHost(target, settings, { shell, signal, tell: (step) => tell(target, step) });
}
