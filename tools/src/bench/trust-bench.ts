import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { buildCommit, type Commit, openReport, sealChannelKey, sealReport } from '#bundle';
import { BenchReport } from './bench-report.js';
import { hostCase } from './host-bench.js';
import { machineLine } from './machine.js';
import type { Measurement } from './measurement.js';
import { median } from '../../../apps/cli/src/sim/samples.js';
import { type TrustFleet, trustFleet } from './trust-fleet.js';
import { type ServiceSizes, serviceCases } from './trust-services.js';

/** Sizes of a run; bounded by the command line. */
export interface TrustBenchOptions extends ServiceSizes {
  readonly rounds: number;
  readonly json: boolean;
}

const AIM_HOSTS = 10_000;
const COMMIT_MS = 500;
const COMMIT_RATIO = 2;
const SEAL_MS = 1_100;
const REPORTS_MS = 300;
/** Of a host that reports some policies with a few rules each. */
const REPORT_BYTES = 1_200;

/**
 * `bench trust`: what signing, sealing and verifying cost for a fleet, beside bare primitives; then users on Redis,
 * reconnecting and REST on services that it starts for itself.
 */
export async function trustBench(
  { rounds, json, ...sizes }: TrustBenchOptions,
  signal: AbortSignal,
): Promise<void> {
  const machine = await machineLine();
  const report = new BenchReport('trust', machine, json);
  report.note(`measured on: ${machine}`);
  report.note(`making the keys of ${sizes.hosts} hosts`);
  const fleet = await trustFleet(sizes.hosts, signal);
  commitCase(report, fleet, rounds, signal);
  await sealingCase(report, fleet, signal);
  await hostCase(report, fleet, signal);
  reportsCase(report, fleet, rounds, signal);
  await serviceCases(report, fleet, sizes, signal);
}

function commitCase(
  report: BenchReport,
  fleet: TrustFleet,
  rounds: number,
  signal: AbortSignal,
): void {
  const bundle = fleet.bundleOf(1);
  let commit: Commit | undefined;
  const build = (): void => void (commit = buildCommit(fleet.commitInput(bundle)));
  const first = spent(build);
  const plain = [...(commit?.records.values() ?? [])].map(({ leaf }) =>
    randomBytes(Buffer.from(leaf, 'base64').length),
  );
  const { value, baseline } = interleaved(rounds, signal, build, () => primitives(plain));
  const count = fleet.hosts.length;
  report.case(
    `commit, hosts=${count}`,
    'leaves sealed, Merkle tree, proofs, one signature, records; the first one also derives a key\n' +
      'a host; baseline: SHA-256 and AES-256-GCM of as many messages of the same sizes',
    [...both('commit_build', value, baseline), ...both('commit_build, first', first, baseline)],
  );
  if (count !== AIM_HOSTS) return;
  report.aim('a commit for 10,000 hosts', value.wallMs, COMMIT_MS, 'ms');
  const ratio = value.cpuMs / baseline.cpuMs;
  report.ratio('a commit for 10,000 hosts, CPU, of the primitives', ratio, COMMIT_RATIO);
}

/** What nobody can do without: each message hashed, and encrypted under a key of its own. */
function primitives(messages: readonly Buffer[]): void {
  const [key, iv] = [randomBytes(32), Buffer.alloc(12)];
  for (const message of messages) {
    createHash('sha256').update(message).digest();
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    cipher.update(message);
    cipher.final();
    cipher.getAuthTag();
  }
}

async function sealingCase(
  report: BenchReport,
  { hosts }: TrustFleet,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  await Promise.all(
    hosts.map(({ channelKey, sealingKey, nodeId }) =>
      sealChannelKey(channelKey, { sealingKey, nodeId, epoch: '2' }),
    ),
  );
  const value = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  report.case(
    `channel keys of a new epoch, hosts=${hosts.length}`,
    'each sealed to its host by HPKE (X25519, HKDF-SHA256, AES-256-GCM), once an epoch, on the\n' +
      "threads of Node's pool",
    [
      { metric: 'seal_channel_keys', value, unit: 'ms' },
      { metric: 'seal_channel_keys, CPU', value: (user + system) / 1_000, unit: 'ms' },
    ],
  );
  if (hosts.length === AIM_HOSTS) report.aim('channel keys of 10,000 hosts', value, SEAL_MS, 'ms');
}

function reportsCase(
  report: BenchReport,
  { hosts }: TrustFleet,
  rounds: number,
  signal: AbortSignal,
): void {
  const sealed = hosts.map(({ channelKey, nodeId }) => ({
    ...{ channelKey, nodeId },
    bytes: sealReport(channelKey, nodeId, randomBytes(REPORT_BYTES)),
  }));
  const plain = sealed.map(({ bytes }) => bytes);
  const { value, baseline } = interleaved(
    rounds,
    signal,
    () => sealed.forEach(({ channelKey, nodeId, bytes }) => openReport(channelKey, nodeId, bytes)),
    () => primitives(plain),
  );
  report.case(
    `reports, hosts=${hosts.length}`,
    `as many reports of ${REPORT_BYTES} bytes authenticated and opened;\nbaseline as above`,
    both('open_reports', value, baseline),
  );
  if (hosts.length === AIM_HOSTS)
    report.aim('reports of 10,000 hosts', value.wallMs, REPORTS_MS, 'ms');
}

/** Wall-clock time, and CPU time of the one thread that worked, which says more on a busy machine. */
interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Medians of work and baseline, one after the other in each round, so that both meet the same machine. */
function interleaved(
  rounds: number,
  signal: AbortSignal,
  work: () => void,
  baseline: () => void,
): { readonly value: Spent; readonly baseline: Spent } {
  const [ours, bare]: [Spent[], Spent[]] = [[], []];
  for (let i = 0; i < rounds; i += 1) {
    signal.throwIfAborted();
    ours.push(spent(work));
    bare.push(spent(baseline));
  }
  return { value: medianSpent(ours), baseline: medianSpent(bare) };
}

function medianSpent(samples: readonly Spent[]): Spent {
  return {
    wallMs: median(samples.map(({ wallMs }) => wallMs)),
    cpuMs: median(samples.map(({ cpuMs }) => cpuMs)),
  };
}

function spent(work: () => void): Spent {
  const [started, cpu] = [performance.now(), process.threadCpuUsage()];
  work();
  const { user, system } = process.threadCpuUsage(cpu);
  return { wallMs: performance.now() - started, cpuMs: (user + system) / 1_000 };
}

/** A measurement of the wall clock, and one of the CPU. */
function both(metric: string, value: Spent, baseline: Spent): readonly Measurement[] {
  return [
    { metric, value: value.wallMs, unit: 'ms', baseline: baseline.wallMs },
    { metric: `${metric}, CPU`, value: value.cpuMs, unit: 'ms', baseline: baseline.cpuMs },
  ];
}
