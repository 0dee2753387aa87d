import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lab, slimRelease, SimulatedHosts, stageHost } from '#testing';
import { readPackages, type PackageFile } from '../../../apps/cli/src/bootstrap/package-file.js';
import { DemoControlPlane } from '../demo/demo-control-plane.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { BenchReport } from './bench-report.js';
import { simulatedCase, slimDeb } from './bootstrap-simulated.js';
import { vmCase } from './bootstrap-vms.js';
import type { WayName } from './bootstrap-ways.js';
import { machineLine } from './machine.js';

/** Sizes of a run; bounded by the command line. */
export interface BootstrapBenchOptions {
  /** How many simulated hosts come in at once, case by case; 0 is no case. */
  readonly hosts: readonly number[];
  /** How many VMs, likewise. */
  readonly vms: readonly number[];
  readonly ways: readonly WayName[];
  readonly json: boolean;
}

interface Bench {
  readonly report: BenchReport;
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** A control plane of the bench's own, and the package that its hosts get, which it serves too. */
interface Offering {
  readonly controlPlane: DemoControlPlane;
  readonly packageFile: PackageFile;
}

/**
 * `bench bootstrap`: bare hosts come into a control plane of their own over ssh, by the install script and by the play,
 * beside the same transport that runs `true` and copies a file of the package's size. Simulated hosts are on loopback
 * and share this machine's Node, so their package is small; VMs get the whole one, and are waited for until they enforce.
 */
export async function bootstrapBench(
  options: BootstrapBenchOptions,
  signal: AbortSignal,
): Promise<void> {
  const machine = await machineLine();
  const report = new BenchReport('bootstrap', machine, options.json);
  report.note(`measured on: ${machine}`);
  const folder = await mkdtemp(join(tmpdir(), 'hostward-bench-'));
  const bench = { report, folder, signal };
  try {
    const simulated = options.hosts.filter((count) => count > 0);
    if (simulated.length > 0) await onSimulatedHosts(simulated, options.ways, bench);
    const vms = options.vms.filter((count) => count > 0);
    if (vms.length > 0) await onVms(vms, options.ways, bench);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function onSimulatedHosts(
  counts: readonly number[],
  ways: readonly WayName[],
  bench: Bench,
): Promise<void> {
  const staged = await stageHost(packageRoot());
  const { dir, file } = await slimRelease(staged.dir, join(bench.folder, 'slim'));
  const deb = await slimDeb(staged.dir, bench.folder);
  const lab = await SimulatedHosts.prepare();
  try {
    await offering(join(dir, file), dir, bench, async (offered) => {
      for (const count of counts)
        for (const by of ways) await simulatedCase(count, by, { ...bench, ...offered, lab, deb });
    });
  } finally {
    await lab.stop();
  }
}

async function onVms(
  counts: readonly number[],
  ways: readonly WayName[],
  bench: Bench,
): Promise<void> {
  const { report, folder, signal } = bench;
  const dir = join(folder, 'packages');
  const maker = new DemoControlPlane(folder);
  await maker.run('package', 'hostward-agent', '--fast', `--out=${dir}`);
  const [made] = await readPackages([], dir);
  const lab = await Lab.open({ log: (message) => report.note(message) });
  const close = (): void => void lab.close().catch(() => undefined);
  // What is waited for in a guest, or for one, then fails at once.
  signal.addEventListener('abort', close, { once: true });
  try {
    await offering(made?.path ?? '', dir, bench, async (offered) => {
      for (const count of counts)
        for (const by of ways) await vmCase(count, by, { ...bench, ...offered, lab });
    });
  } finally {
    signal.removeEventListener('abort', close);
    await lab.close();
  }
}

/** Runs a control plane that offers the packages of a folder while `use` does. */
async function offering(
  path: string,
  dir: string,
  { folder, report }: Bench,
  use: (offered: Offering) => Promise<void>,
): Promise<void> {
  const [packageFile] = await readPackages([path], dir);
  if (packageFile === undefined) throw new CommandFailed(`${dir} holds no package`);
  report.note(`package: ${packageFile.file}, ${(packageFile.bytes / 1e6).toFixed(1)} MB`);
  const controlPlane = new DemoControlPlane(await mkdtemp(join(folder, 'control-plane-')));
  try {
    await controlPlane.up(`--packages=${dir}`);
    await use({ controlPlane, packageFile });
  } finally {
    await controlPlane.down();
  }
}
