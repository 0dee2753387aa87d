import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PolicyStatus } from '#contracts';
import { Lab, type Vm } from '#testing';
import { HostKeys } from '../../../apps/cli/src/bootstrap/host-keys.js';
import type { Access } from '../../../apps/cli/src/bootstrap/on-each-host.js';
import type { PackageFile } from '../../../apps/cli/src/bootstrap/package-file.js';
import { parseTarget } from '../../../apps/cli/src/bootstrap/target.js';
import { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import { settled } from '../../../apps/cli/src/commands/wait.js';
import type { DemoControlPlane } from '../demo/demo-control-plane.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { byPlay, hasAnsible } from './bootstrap-play.js';
import { reportCase, type Figures } from './bootstrap-report.js';
import {
  byCommand,
  byScript,
  secondsOf,
  type Bare,
  type Way,
  type WayName,
} from './bootstrap-ways.js';
import type { BenchReport } from './bench-report.js';

const ENFORCED_MS = 300_000;
/** What every link of the guest has received. */
const RECEIVED = 'cat /sys/class/net/*/statistics/rx_bytes';

/** What all cases with VMs share. */
export interface VmBench {
  readonly report: BenchReport;
  readonly lab: Lab;
  readonly controlPlane: DemoControlPlane;
  readonly packageFile: PackageFile;
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** So many bare VMs by one way: until their kernels enforce a policy, and the same once more. */
export async function vmCase(count: number, by: WayName, bench: VmBench): Promise<void> {
  const { report, lab, controlPlane, signal } = bench;
  signal.throwIfAborted();
  if (by === 'play' && !(await hasAnsible())) {
    report.note('not measured: the play, since ansible-playbook is not on this machine');
    return;
  }
  const name = `vm-${by}-${count}`;
  const from = await lab.base();
  const vms = await Promise.all(
    Array.from({ length: count }, (_, at) => lab.vm({ name: `${name}-${at + 1}`, from })),
  );
  const context = await controlPlane.context();
  const client = new ControlPlane(context);
  try {
    await client.call('/v1/apply', { method: 'POST', body: policyOf(name) });
    const bare = await bareOf(vms, name, client, bench);
    const way = await wayOf(by, bare, vms, bench);
    const figures = await measured(way, vms, () => enforced(name, count, client));
    reportCase(report, { count, by, real: true }, figures);
  } finally {
    client.close();
    await Promise.all(vms.map((vm) => vm.kill()));
  }
}

async function wayOf(by: WayName, bare: Bare, vms: readonly Vm[], bench: VmBench): Promise<Way> {
  if (by === 'ssh') return byCommand(bare);
  if (by === 'script') return byScript(bare);
  const context = await bench.controlPlane.context();
  const keyFile = vms[0]?.reach.keyFile ?? '';
  return byPlay(bare, { keyFile, context, folder: bench.folder });
}

async function measured(
  way: Way,
  vms: readonly Vm[],
  untilEnforced: () => Promise<void>,
): Promise<Figures> {
  const one = async (action: () => Promise<void>) => {
    const before = await received(vms);
    const seconds = await secondsOf(action);
    return { seconds, bytes: (await received(vms)) - before };
  };
  return {
    copy: await one(() => way.copy()),
    first: await one(async () => {
      await way.first();
      await untilEnforced();
    }),
    again: await one(() => way.again()),
  };
}

async function received(vms: readonly Vm[]): Promise<number> {
  const said = await Promise.all(vms.map((vm) => vm.ssh(RECEIVED)));
  return said
    .flatMap(({ stdout }) => stdout.trim().split('\n').map(Number))
    .reduce((sum, bytes) => sum + bytes, 0);
}

async function bareOf(
  vms: readonly Vm[],
  name: string,
  client: ControlPlane,
  { controlPlane, packageFile, folder, signal }: VmBench,
): Promise<Bare> {
  const access = await accessTo(vms, join(folder, `${name}.known_hosts`));
  const targets = vms.map((vm) => parseTarget(`root@127.0.0.1:${vm.reach.port}`, vm.name));
  const labels = { bench: name };
  return {
    ...{ targets, access, packageFile, client, labels, signal },
    ...(await controlPlane.address()),
  };
}

/** Their host keys are taken from their consoles, as a person would. */
async function accessTo(vms: readonly Vm[], knownHosts: string): Promise<Access> {
  const lines = await Promise.all(
    vms.map(async (vm) => {
      const { stdout } = await vm.ssh('cat /etc/ssh/ssh_host_*_key.pub');
      const keys = stdout.split('\n').filter(Boolean);
      return keys.map((key) => `[127.0.0.1]:${vm.reach.port} ${key}\n`).join('');
    }),
  );
  await writeFile(knownHosts, lines.join(''));
  const hostKeys = await HostKeys.read({ files: [knownHosts], fingerprints: [] });
  const privateKey = await readFile(vms[0]?.reach.keyFile ?? '', 'utf8');
  return { credentials: { privateKey }, hostKeys };
}

function policyOf(name: string): string {
  return JSON.stringify({
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name },
    spec: {
      nodeSelector: { matchLabels: { bench: name } },
      // Not `sleep`, by which Ansible ends every command.
      process: { matchPaths: [{ path: '/usr/bin/nice' }] },
      action: 'Block',
    },
  });
}

async function enforced(name: string, count: number, client: ControlPlane): Promise<void> {
  const status = await settled({
    ask: () => client.call<PolicyStatus>(`/v1/policies/${name}/status`),
    isSettled: ({ selected, enforcedEverywhere }) => enforcedEverywhere && selected === count,
    deadline: Date.now() + ENFORCED_MS,
  });
  if (status.enforcedEverywhere) return;
  throw new CommandFailed(`${name} is not enforced: ${JSON.stringify(status.summary)}`);
}
