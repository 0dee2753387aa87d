import { createReadStream } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { InstallScriptRequest, NodeView } from '#contracts';
import { runBootstrap } from '../../../apps/cli/src/bootstrap/bootstrap-run.js';
import { onEachHost, type Access } from '../../../apps/cli/src/bootstrap/on-each-host.js';
import type { PackageFile } from '../../../apps/cli/src/bootstrap/package-file.js';
import { preflightText } from '../../../apps/cli/src/bootstrap/preflight.js';
import { RunToken } from '../../../apps/cli/src/bootstrap/run-token.js';
import type { ExecResult } from '../../../apps/cli/src/bootstrap/ssh-session.js';
import type { Target } from '../../../apps/cli/src/bootstrap/target.js';
import type { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { segment } from '../../../apps/cli/src/input/names.js';

export const WAYS = ['ssh', 'script', 'play'] as const;
export type WayName = (typeof WAYS)[number];

/** Hosts of one case, and what every way in needs to bring them in. */
export interface Bare {
  readonly targets: readonly Target[];
  readonly access: Access;
  readonly packageFile: PackageFile;
  readonly client: ControlPlane;
  /** The control plane, as the hosts reach it. */
  readonly url: string;
  readonly caFingerprint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** A way to bring hosts in; each throws where a host does not come to what it should. */
export interface Way {
  /** The transport alone: it runs `true` and copies a file of the package's size. */
  copy(): Promise<void>;
  first(): Promise<void>;
  /** The same once more, which must leave every host as it is. */
  again(): Promise<void>;
}

/** As `bootstrap` has it by default; the play has as many forks. */
export const CONCURRENCY = 10;
const TTL_MS = 1_800_000;
const COPY_MS = 300_000;
const JOIN_MS = 600_000;

/** `hostward bootstrap`. */
export function byCommand(bare: Bare): Way {
  return {
    copy: () => copies(bare),
    first: () => bootstrap(bare, 'enrolled'),
    again: () => bootstrap(bare, 'unchanged'),
  };
}

/** `hostward vm getscript`, piped over the same ssh. */
export function byScript(bare: Bare): Way {
  return {
    copy: () => copies(bare),
    first: () => scripts(bare, /^hostward: \S+ has joined /m),
    again: () => scripts(bare, /^hostward: this host has joined .* before$/m),
  };
}

/** Seconds that it takes. */
export async function secondsOf(action: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await action();
  return (performance.now() - began) / 1_000;
}

async function copies({ targets, access, packageFile, signal }: Bare): Promise<void> {
  const reach = { access, concurrency: CONCURRENCY, signal };
  const timing = { timeoutMs: COPY_MS, signal };
  const results = await onEachHost(targets, reach, async (_target, logIn) => {
    const session = await logIn();
    await session.exec('true', timing);
    const input = createReadStream(packageFile.path);
    return session.exec('cat >/var/tmp/copied', { ...timing, input });
  });
  results.forEach((result) => ended(result, 'the copy'));
}

async function bootstrap(bare: Bare, expected: 'enrolled' | 'unchanged'): Promise<void> {
  const { targets, access, packageFile, client, url, caFingerprint, labels, signal } = bare;
  const token = new RunToken(client, { labels, uses: targets.length, ttlMs: TTL_MS });
  const reports = await runBootstrap(targets, {
    ...{ access, signal, concurrency: CONCURRENCY, tell: () => undefined },
    settings: {
      ...{ url, caFingerprint, packages: [packageFile], enforcer: 'auto', dryRun: false },
      token: () => token.get(),
      preflight: await preflightText(),
      nodes: await client.all<NodeView>('/v1/nodes'),
    },
  }).finally(() => token.end());
  const other = reports.find(({ state }) => state !== expected);
  if (other === undefined) return;
  const words = `${other.name ?? other.target} is ${other.state}: ${other.message ?? ''}`;
  throw new CommandFailed(words, other.remedy);
}

async function scripts(bare: Bare, expected: RegExp): Promise<void> {
  const { targets, access, client, url, labels, signal } = bare;
  const body: InstallScriptRequest = { url, labels };
  const reach = { access, concurrency: CONCURRENCY, signal };
  await onEachHost(targets, reach, async ({ name = '' }, logIn) => {
    const path = `/v1/nodes/${segment(name)}/install-script`;
    const input = await client.call<string>(path, { method: 'POST', body });
    const session = await logIn();
    const result = await session.exec('sh -s', { input, timeoutMs: JOIN_MS, signal });
    ended(result, `the script of ${name}`);
    if (!expected.test(result.stderr)) throw new CommandFailed(`${name} said: ${result.stderr}`);
  });
}

function ended({ code, stderr }: ExecResult, what: string): void {
  if (code !== 0) throw new CommandFailed(`${what} ended with ${code}: ${stderr}`);
}
