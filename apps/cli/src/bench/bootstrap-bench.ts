import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { slimRelease, SimulatedHosts, stageHost, type SimulatedHost } from '#testing';
import { runBootstrap, type HostReport } from '../bootstrap/bootstrap-run.js';
import { HostKeys } from '../bootstrap/host-keys.js';
import type { Access } from '../bootstrap/on-each-host.js';
import { readPackages, type PackageFile } from '../bootstrap/package-file.js';
import { preflightText } from '../bootstrap/preflight.js';
import { RunToken } from '../bootstrap/run-token.js';
import { SshSession } from '../bootstrap/ssh-session.js';
import { parseTarget, type Target } from '../bootstrap/target.js';
import type { NodeView } from '#contracts';
import { ControlPlane } from '../client/control-plane.js';
import { PrivateControlPlane } from '../embedded/private-control-plane.js';
import type { RunRecord } from '../embedded/run-record.js';
import { CommandFailed } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { BenchReport } from './bench-report.js';
import { machineLine } from './machine.js';

/** Sizes of a run; bounded by the command line. */
export interface BootstrapBenchOptions {
  /** How many hosts come in at once, case by case. */
  readonly hosts: readonly number[];
  readonly json: boolean;
}

/** As `bootstrap` has it by default. */
const CONCURRENCY = 10;
const TTL_MS = 1_800_000;
const COPY_MS = 300_000;
const MIB = 1024 ** 2;
/** Aim of the issue: a second run costs at most this part of the first. */
const SECOND_RUN_LIMIT = 0.25;

interface Bench {
  readonly report: BenchReport;
  readonly lab: SimulatedHosts;
  readonly access: Access;
  readonly packages: readonly [PackageFile];
  readonly client: ControlPlane;
  readonly record: RunRecord;
  readonly signal: AbortSignal;
}

interface Took {
  readonly seconds: number;
  readonly sentBytes: number;
}

/**
 * `bench bootstrap`: hosts on loopback, each with an sshd of its own, come into a control plane of their own over ssh,
 * beside the same logins that run `true` and copy a file of the package's size. They share this machine's Node, so the
 * package is small: what is measured is the way in, not the speed of a network.
 */
export async function bootstrapBench(
  options: BootstrapBenchOptions,
  signal: AbortSignal,
): Promise<void> {
  const machine = await machineLine();
  const report = new BenchReport('bootstrap', machine, options.json);
  report.note(`measured on: ${machine}`);
  const folder = await mkdtemp(join(tmpdir(), 'hostward-bench-'));
  const own = new PrivateControlPlane(folder);
  const lab = await SimulatedHosts.prepare();
  try {
    const record = await own.up();
    const client = new ControlPlane(await own.context());
    const { dir, file } = await slimRelease(
      (await stageHost(packageRoot())).dir,
      join(folder, 'packages'),
    );
    const [found] = await readPackages([join(dir, file)], dir);
    if (found === undefined) throw new CommandFailed(`${dir} holds no package`);
    const bench = { report, lab, client, record, signal, packages: [found] as const };
    for (const count of options.hosts) await oneCase(count, bench);
    client.close();
  } finally {
    await lab.stop();
    await own.down();
    await rm(folder, { recursive: true, force: true });
  }
}

async function oneCase(count: number, parts: Omit<Bench, 'access'>): Promise<void> {
  const { lab, report } = parts;
  const hosts: SimulatedHost[] = [];
  for (let i = 1; i <= count; i++) {
    parts.signal.throwIfAborted();
    hosts.push(await lab.start({ name: `of-${count}-${String(i).padStart(3, '0')}` }));
  }
  const bench = { ...parts, access: await accessTo(lab) };
  const targets = hosts.map(({ name, port }) => parseTarget(`root@127.0.0.1:${port}`, name));
  const copied = await copies(targets, bench);
  const first = await bootstrap(targets, 'enrolled', bench);
  const second = await bootstrap(targets, 'unchanged', bench);
  await Promise.all(hosts.map((host) => host.stop()));
  const mib = (bytes: number): number => bytes / MIB;
  report.case(
    `${count} host${count === 1 ? '' : 's'}`,
    'bare to enrolled by ssh, ten at a time; baseline: the same logins run true and copy a file of the package’s size; of the second run: the first',
    [
      { metric: 'enrolled', value: first.seconds, unit: 's', baseline: copied.seconds },
      { metric: 'second run', value: second.seconds, unit: 's', baseline: first.seconds },
      {
        metric: 'sent',
        value: mib(first.sentBytes),
        unit: 'MiB',
        baseline: mib(copied.sentBytes),
      },
      {
        metric: 'sent by the second run',
        value: mib(second.sentBytes),
        unit: 'MiB',
        baseline: mib(first.sentBytes),
      },
    ],
  );
  report.ratio(
    `second run of ${count} to the first`,
    second.seconds / first.seconds,
    SECOND_RUN_LIMIT,
  );
}

async function accessTo(lab: SimulatedHosts): Promise<Access> {
  const hostKeys = await HostKeys.read({ files: [lab.knownHosts], fingerprints: [] });
  return { credentials: { privateKey: await readFile(lab.keyFile, 'utf8') }, hostKeys };
}

/** The transport alone, as many at a time. */
async function copies(
  targets: readonly Target[],
  { access, packages, signal }: Bench,
): Promise<Took> {
  const began = performance.now();
  let sentBytes = 0;
  const waiting = [...targets];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { credentials, hostKeys } = access;
      const session = await SshSession.open(next, credentials, { hostKeys });
      try {
        await session.exec('true', { timeoutMs: COPY_MS, signal });
        const input = createReadStream(packages[0].path);
        await session.exec('cat >/var/tmp/copied', { input, timeoutMs: COPY_MS, signal });
        sentBytes += session.wire?.sent ?? 0;
      } finally {
        session.close();
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return { seconds: (performance.now() - began) / 1_000, sentBytes };
}

/** One whole run, as the command makes it. */
async function bootstrap(
  targets: readonly Target[],
  expected: HostReport['state'],
  { client, record, packages, access, signal }: Bench,
): Promise<Took> {
  const began = performance.now();
  const token = new RunToken(client, { labels: {}, uses: targets.length, ttlMs: TTL_MS });
  const reports = await runBootstrap(targets, {
    access,
    concurrency: CONCURRENCY,
    signal,
    tell: () => undefined,
    settings: {
      ...{ url: record.url, caFingerprint: record.caFingerprint, packages },
      ...{ enforcer: 'auto', dryRun: false, token: () => token.get() },
      preflight: await preflightText(),
      nodes: await client.all<NodeView>('/v1/nodes'),
    },
  }).finally(() => token.end());
  const other = reports.find(({ state }) => state !== expected);
  if (other !== undefined)
    throw new CommandFailed(
      `${other.name ?? other.target} is ${other.state}: ${other.message ?? ''}`,
    );
  const sentBytes = reports.reduce((sum, { sentBytes: sent = 0 }) => sum + sent, 0);
  return { seconds: (performance.now() - began) / 1_000, sentBytes };
}
