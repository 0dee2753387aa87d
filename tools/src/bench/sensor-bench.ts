import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COUNTED_NS, installedSnapshot, joinFleet, Lab, stageHost, type Vm } from '#testing';
import { DemoControlPlane } from '../demo/demo-control-plane.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { BenchReport } from './bench-report.js';
import { machineLine } from './machine.js';
import { ruleSetOf } from './rule-sets.js';
import { SensorGuest } from './sensor-guest.js';
import { type Metered, reportMemory, reportRules, reportSwaps } from './sensor-report.js';
import { reportNative } from './sensor-native.js';
import {
  type AttachedRounds,
  attachedRounds,
  type RuleRounds,
  ruleRounds,
} from './sensor-rounds.js';

/** Sizes of a run; bounded by the command line. */
export interface SensorBenchOptions {
  readonly rules: readonly number[];
  readonly rounds: number;
  /** In a guest whose clock counts the instructions of its one CPU, so that a ratio repeats on any machine. */
  readonly count: boolean;
  /** Only what needs no VM. */
  readonly native: boolean;
  readonly json: boolean;
}

/** Time that the rounds with and without programs may take, and those of each set of rules. */
const ATTACHED_WITHIN_MS = 70_000;
const RULES_WITHIN_MS = 35_000;
const NODE = 'bench';
const TIMED: Metered = { unit: 'us', ns: 1_000 };
const COUNTED: Metered = { unit: 'instructions', ns: COUNTED_NS };

/**
 * `bench sensor`: what the BPF enforcer costs the programs of a host, in one VM that it starts for itself, by rounds
 * without and with it in turn.
 */
export async function sensorBench(options: SensorBenchOptions, signal: AbortSignal): Promise<void> {
  const machine = await machineLine();
  const native = new BenchReport('sensor', machine, options.json);
  native.note(`measured on: ${machine}`);
  await reportNative(native);
  signal.throwIfAborted();
  if (!options.native) await inGuest(options, machine, signal);
}

async function inGuest(
  options: SensorBenchOptions,
  machine: string,
  signal: AbortSignal,
): Promise<void> {
  const guest = options.count ? 'one VM with one CPU, instructions counted,' : 'one VM';
  const report = new BenchReport('sensor', `${guest} on ${machine}`, options.json);
  report.note(`\nmeasured in ${guest} on: ${machine}`);
  const staged = await stageHost(packageRoot());
  const log = (message: string): void => report.note(message);
  const lab = await Lab.open({ log, counted: options.count });
  const folder = await mkdtemp(join(tmpdir(), 'hostward-bench-'));
  const controlPlane = new DemoControlPlane(folder);
  const stop = (): Promise<unknown> => Promise.all([lab.close(), controlPlane.down()]);
  // What is waited for in the guest, or for the guest, then fails at once.
  signal.addEventListener('abort', () => void stop().catch(() => undefined), { once: true });
  try {
    await controlPlane.up();
    signal.throwIfAborted();
    const vm = await lab.vm({ name: NODE, from: await installedSnapshot(lab, staged) });
    await joins(vm, controlPlane);
    const guest = await SensorGuest.with(vm, folder);
    await cases(report, { guest, controlPlane, folder }, options, signal);
  } finally {
    await stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The VM joins as a host that the BPF enforcer is chosen for. */
async function joins(vm: Vm, controlPlane: DemoControlPlane): Promise<void> {
  const token = (await controlPlane.run('create', 'join-token', '-o', 'name')).trim();
  const { url, caFingerprint } = await controlPlane.address();
  await joinFleet(vm, { url, caFingerprint, token, name: NODE, enforcer: 'bpf' });
}

interface Host {
  readonly guest: SensorGuest;
  readonly controlPlane: DemoControlPlane;
  readonly folder: string;
}

async function cases(
  report: BenchReport,
  host: Host,
  { rules, rounds, count, json }: SensorBenchOptions,
  signal: AbortSignal,
): Promise<void> {
  const sizes = [...rules].sort((a, b) => a - b);
  const done: RuleRounds[] = [];
  let attached: AttachedRounds | undefined;
  for (const size of sizes) {
    report.note(`\n${size} rules that match nothing of the bench`);
    await applied(host, size);
    const memory = await host.guest.memory();
    await host.guest.quiet();
    attached ??= await attachedRounds(host.guest, {
      rounds,
      ...limits(ATTACHED_WITHIN_MS, signal),
    });
    const result = await ruleRounds(host.guest, size, {
      rounds: rounds * 2,
      ...limits(RULES_WITHIN_MS, signal),
    });
    reportRules({ report, json, unit: count ? COUNTED : TIMED }, attached, result);
    reportMemory(report, size, memory);
    done.push(result);
    await host.guest.busy();
  }
  reportSwaps(report, done);
  report.note('* KubeArmor with one rule, on another emulated guest: not measured here');
}

function limits(ms: number, signal: AbortSignal): { until: number; signal: AbortSignal } {
  return { until: Date.now() + ms, signal };
}

/** Puts this many rules in force, in policies of up to a hundred. */
async function applied({ guest, controlPlane, folder }: Host, rules: number): Promise<void> {
  if (rules > 0) {
    const file = join(folder, 'rules.yaml');
    await guest.setClock();
    const documents = ruleSetOf(rules).policies.map(({ document }) => document);
    await writeFile(file, documents.map((document) => JSON.stringify(document)).join('\n---\n'));
    await controlPlane.run('apply', '-f', file);
    // Nobody but the guest is asked: while it compiles, emulated, its agent may be too slow for the control plane.
    await guest.refuses(documents.at(-1)?.spec.file?.matchPaths?.[0]?.path ?? '');
  }
  await guest.enforcing();
}
