import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { slimTree, type SimulatedHost, type SimulatedHosts } from '#testing';
import { HostKeys } from '../../../apps/cli/src/bootstrap/host-keys.js';
import { readPackages, type PackageFile } from '../../../apps/cli/src/bootstrap/package-file.js';
import { parseTarget } from '../../../apps/cli/src/bootstrap/target.js';
import { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import type { DemoControlPlane } from '../demo/demo-control-plane.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { makeDeb } from '../packaging/deb.js';
import type { BenchReport } from './bench-report.js';
import { byPlay, hasAnsible } from './bootstrap-play.js';
import { reportCase } from './bootstrap-report.js';
import {
  byCommand,
  byScript,
  secondsOf,
  type Bare,
  type Way,
  type WayName,
} from './bootstrap-ways.js';

/** What installs a .deb for a play: simulated hosts have this machine's programs. */
const APT_OF_PYTHON = '/usr/lib/python3/dist-packages/apt/__init__.py';

/** What all cases with simulated hosts share. */
export interface SimulatedBench {
  readonly report: BenchReport;
  readonly lab: SimulatedHosts;
  readonly controlPlane: DemoControlPlane;
  readonly packageFile: PackageFile;
  /** The same for the play, which installs by apt. */
  readonly deb: PackageFile;
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Makes a .deb of the staged tree of a host without Node, in `folder`. */
export async function slimDeb(stagedDir: string, folder: string): Promise<PackageFile> {
  const tree = join(folder, 'slim-tree');
  const out = join(folder, 'slim-deb');
  await mkdir(out, { recursive: true });
  await slimTree(stagedDir, tree);
  const made = await makeDeb(
    { name: 'hostward-agent', tree },
    {
      ...{ root: packageRoot(), version: '0.0.0', architecture: 'amd64', sbom: '{}' },
      ...{ epoch: Math.floor(Date.now() / 1000), fast: true },
    },
    { work: folder, out },
  );
  const [read] = await readPackages([made], out);
  if (read === undefined) throw new CommandFailed(`${made} is not there`);
  return read;
}

/** So many simulated hosts by one way until they have enrolled, and the same once more. */
export async function simulatedCase(
  count: number,
  by: WayName,
  bench: SimulatedBench,
): Promise<void> {
  const { report, lab, controlPlane, signal } = bench;
  if (by === 'play' && !((await hasAnsible()) && existsSync(APT_OF_PYTHON))) {
    report.note('not measured: the play, which needs ansible-playbook and python3-apt here');
    return;
  }
  const hosts: SimulatedHost[] = [];
  // Where dpkg is the script wants a .deb, and theirs is an archive; the play wants a .deb.
  const prepare = by === 'play' ? '' : 'rm -f /usr/bin/dpkg';
  for (let i = 1; i <= count; i++) {
    signal.throwIfAborted();
    hosts.push(await lab.start({ name: `${by}-${count}-${String(i).padStart(3, '0')}`, prepare }));
  }
  const client = new ControlPlane(await controlPlane.context());
  try {
    const way = await wayOf(by, await bareOf(hosts, client, bench), bench);
    const copy = { seconds: await secondsOf(() => way.copy()) };
    const first = { seconds: await secondsOf(() => way.first()) };
    const again = { seconds: await secondsOf(() => way.again()) };
    reportCase(report, { count, by, real: false }, { copy, first, again });
  } finally {
    client.close();
    await Promise.all(hosts.map((host) => host.stop()));
  }
}

async function bareOf(
  hosts: readonly SimulatedHost[],
  client: ControlPlane,
  { lab, controlPlane, packageFile, signal }: SimulatedBench,
): Promise<Bare> {
  const { url, caFingerprint } = await controlPlane.record();
  const hostKeys = await HostKeys.read({ files: [lab.knownHosts], fingerprints: [] });
  return {
    targets: hosts.map(({ name, port }) => parseTarget(`root@127.0.0.1:${port}`, name)),
    access: { credentials: { privateKey: await readFile(lab.keyFile, 'utf8') }, hostKeys },
    ...{ packageFile, client, url, caFingerprint, labels: {}, signal },
  };
}

async function wayOf(by: WayName, bare: Bare, bench: SimulatedBench): Promise<Way> {
  if (by === 'ssh') return byCommand(bare);
  if (by === 'script') return byScript(bare);
  const { controlPlane, lab, folder, deb } = bench;
  const context = await controlPlane.context();
  // Services are for systemd: it comes as far as the other ways do there.
  const tags = ['hostward_install', 'hostward_configure'];
  return byPlay({ ...bare, packageFile: deb }, { keyFile: lab.keyFile, context, folder, tags });
}
