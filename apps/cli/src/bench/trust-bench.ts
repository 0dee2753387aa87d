import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import {
  buildCommit,
  type Commit,
  type DeliveryInquiry,
  openReport,
  rememberingOpener,
  sealHostKey,
  sealReport,
  verifyDelivery,
} from '#bundle';
import { BenchReport } from './bench-report.js';
import { machineLine } from './machine.js';
import type { Measurement } from './measurement.js';
import { median } from './samples.js';
import { type TrustFleet, trustFleet } from './trust-fleet.js';

/** Sizes of a run; bounded by the command line. */
export interface TrustBenchOptions {
  readonly hosts: number;
  readonly rounds: number;
  readonly json: boolean;
}

const AIM_HOSTS = 10_000;
const COMMIT_MS = 500;
const SEAL_MS = 1_100;
const VERIFY_MS = 2;
const REPORTS_MS = 300;
/** Of a host that reports some policies with a few rules each. */
const REPORT_BYTES = 1_200;

/** `bench trust`: what signing, sealing and verifying cost for a fleet, on one thread, beside bare primitives. */
export async function trustBench(
  { hosts, rounds, json }: TrustBenchOptions,
  signal: AbortSignal,
): Promise<void> {
  const machine = await machineLine();
  const report = new BenchReport('trust', machine, json);
  report.note(`measured on: ${machine}`);
  report.note(`making the keys of ${hosts} hosts`);
  const fleet = await trustFleet(hosts, signal);
  const commit = commitCase(report, fleet, rounds, signal);
  await sealingCase(report, fleet, signal);
  await hostCase(report, fleet, commit, signal);
  reportsCase(report, fleet, rounds, signal);
}

function commitCase(
  report: BenchReport,
  fleet: TrustFleet,
  rounds: number,
  signal: AbortSignal,
): Commit {
  const build = (): Commit => buildCommit(fleet.commitInput());
  let commit = build();
  const sizes = [...commit.records.values()].map(({ leaf }) => Buffer.from(leaf, 'base64').length);
  const plain = sizes.map((size) => randomBytes(size));
  const times = interleaved(
    rounds,
    signal,
    () => void (commit = build()),
    () => primitives(plain),
  );
  const count = fleet.hosts.length;
  report.case(
    `commit, hosts=${count}`,
    'leaves sealed, Merkle tree, proofs, one signature, records;\n' +
      'baseline: SHA-256 and AES-256-GCM of as many messages of the same sizes',
    [{ metric: 'commit_build', value: times.value, unit: 'ms', baseline: times.baseline }],
  );
  if (count === AIM_HOSTS) report.aim('a commit for 10,000 hosts', times.value, COMMIT_MS, 'ms');
  return commit;
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
  const started = performance.now();
  for (const { hostKey, sealingKey, nodeId } of hosts)
    await sealHostKey(hostKey, { sealingKey, nodeId, epoch: '2' });
  const value = performance.now() - started;
  report.case(
    `host keys of a new epoch, hosts=${hosts.length}`,
    'each sealed to its host by HPKE (X25519, HKDF-SHA256, AES-256-GCM), once an epoch',
    [{ metric: 'seal_host_keys', value, unit: 'ms' }],
  );
  if (hosts.length === AIM_HOSTS) report.aim('host keys of 10,000 hosts', value, SEAL_MS, 'ms');
}

async function hostCase(
  report: BenchReport,
  fleet: TrustFleet,
  { records }: Commit,
  signal: AbortSignal,
): Promise<void> {
  const [host] = fleet.hosts;
  if (host === undefined) return;
  const inquiry: DeliveryInquiry = {
    record: records.get(host.nodeId),
    bundle: fleet.bundle.ciphertext,
    trustedRoot: fleet.root,
    nodeId: host.nodeId,
    sealingPrivateKey: host.privateKey,
    now: fleet.now,
  };
  const openHostKey = rememberingOpener();
  const rows: Measurement[] = [];
  for (const [metric, question] of [
    ['verify_and_open', inquiry],
    ['verify_and_open, host key remembered', { ...inquiry, openHostKey }],
  ] as const) {
    const value = await medianOf(200, signal, () => verifyDelivery(question));
    rows.push({ metric, value, unit: 'ms' });
    report.aim(metric, value, VERIFY_MS, 'ms');
  }
  const policies = fleet.bundle.policies;
  report.case('one host', `a delivery of ${policies} policies verified and opened, warm`, rows);
}

async function medianOf(
  times: number,
  signal: AbortSignal,
  work: () => Promise<unknown>,
): Promise<number> {
  const samples: number[] = [];
  for (let i = 0; i < times; i += 1) {
    signal.throwIfAborted();
    const started = performance.now();
    await work();
    samples.push(performance.now() - started);
  }
  return median(samples);
}

function reportsCase(
  report: BenchReport,
  { hosts }: TrustFleet,
  rounds: number,
  signal: AbortSignal,
): void {
  const sealed = hosts.map(({ hostKey, nodeId }) => ({
    ...{ hostKey, nodeId },
    bytes: sealReport(hostKey, nodeId, randomBytes(REPORT_BYTES)),
  }));
  const plain = sealed.map(({ bytes }) => bytes);
  const times = interleaved(
    rounds,
    signal,
    () => sealed.forEach(({ hostKey, nodeId, bytes }) => openReport(hostKey, nodeId, bytes)),
    () => primitives(plain),
  );
  report.case(
    `reports, hosts=${hosts.length}`,
    `as many reports of ${REPORT_BYTES} bytes authenticated and opened;\nbaseline as above`,
    [{ metric: 'open_reports', value: times.value, unit: 'ms', baseline: times.baseline }],
  );
  if (hosts.length === AIM_HOSTS)
    report.aim('reports of 10,000 hosts', times.value, REPORTS_MS, 'ms');
}

/** Medians of work and baseline, one after the other in each round, so that both meet the same machine. */
function interleaved(
  rounds: number,
  signal: AbortSignal,
  work: () => void,
  baseline: () => void,
): { readonly value: number; readonly baseline: number } {
  const samples: { value: number; baseline: number }[] = [];
  for (let i = 0; i < rounds; i += 1) {
    signal.throwIfAborted();
    samples.push({ value: timed(work), baseline: timed(baseline) });
  }
  return {
    value: median(samples.map(({ value }) => value)),
    baseline: median(samples.map(({ baseline: bare }) => bare)),
  };
}

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}
