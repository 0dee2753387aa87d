import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { installedSnapshot, joinFleet, Lab, stageHost, type Vm } from '#testing';
import { DemoControlPlane } from '../demo/demo-control-plane.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { interruptible } from '../../../apps/cli/src/input/interruptible.js';
import { tone } from '../../../apps/cli/src/output/style.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';

/** KVMService's tutorial in one policy: a file for one program, and a program. */
const POLICY = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: demo
spec:
  nodeSelector:
    matchLabels:
      env: demo
  severity: 5
  process:
    matchPaths:
      - path: /usr/bin/sleep
  file:
    matchPaths:
      - path: /proc/cpuinfo
        fromSource:
          - path: /usr/bin/cat
  action: Block
`;

const BLOCKED = 'Permission denied';
const ALERT_WITHIN_MS = 60_000;

export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'the first story on a real host: a VM is enrolled, blocked, reports, and is freed again',
    )
    .addHelpText('after', '\nExample:\n  hostward demo')
    .action(() => interruptible(demo));
}

async function demo(signal: AbortSignal): Promise<void> {
  step(
    'A control plane on this machine, and a Debian VM with the agent installed (minutes at the first time)',
  );
  const staged = await stageHost(packageRoot());
  const lab = await Lab.open();
  const folder = await mkdtemp(join(tmpdir(), 'hostward-demo-'));
  const controlPlane = new DemoControlPlane(folder);
  const stop = (): Promise<unknown> => Promise.all([lab.close(), controlPlane.down()]);
  // What is waited for in the guest, or for the guest, then fails at once.
  signal.addEventListener('abort', () => void stop().catch(() => undefined), { once: true });
  try {
    signal.throwIfAborted();
    await controlPlane.up();
    signal.throwIfAborted();
    const vm = await lab.vm({ name: 'web1', from: await installedSnapshot(lab, staged) });
    await story(controlPlane, vm, folder);
  } finally {
    await stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function story(controlPlane: DemoControlPlane, vm: Vm, folder: string): Promise<void> {
  step('The host joins with a token; its keys are made on the host');
  const token = (await controlPlane.run('create', 'join-token', '-o', 'name')).trim();
  const { url, caFingerprint } = await controlPlane.address();
  await joinFleet(vm, { url, caFingerprint, token, name: 'web1' });
  await controlPlane.show('label', 'node', 'web1', 'env=demo');

  step('Before: everything is allowed');
  await inGuest(vm, 'sleep 0.1 && echo slept', 'slept');
  await inGuest(vm, 'cat /proc/cpuinfo | head -1', 'processor');

  step('A policy: no /usr/bin/sleep, and no /proc/cpuinfo for cat');
  const file = join(folder, 'demo.yaml');
  await writeFile(file, POLICY);
  console.log(POLICY);
  await controlPlane.show('apply', '-f', file);
  await controlPlane.show('status', 'policy', 'demo', '--wait', '--timeout', '60s');

  step('The kernel of the VM says no');
  await inGuest(vm, 'sleep 0.1', BLOCKED);
  await inGuest(vm, 'cat /proc/cpuinfo', BLOCKED);
  await inGuest(vm, 'head -1 /proc/cpuinfo', 'processor');

  step('And the control plane knows what was blocked, by which rule');
  await alertArrived(controlPlane);
  await controlPlane.show('logs', '--policy', 'demo');

  step('Without the policy everything is allowed again');
  await controlPlane.show('delete', 'policy', 'demo');
  await freedAgain(vm);
  await inGuest(vm, 'sleep 0.1 && echo slept', 'slept');
  console.log(tone('\nThe demo is done: every step did what it says.', 'green'));
}

/** Runs a command in the guest as a person would, and fails unless its output has `expected`. */
async function inGuest(vm: Vm, command: string, expected: string): Promise<void> {
  console.log(tone(`root@${vm.name}:~# ${command}`, 'bold'));
  const { stdout, stderr } = await vm.ssh(command, { allowFailure: true });
  const output = `${stdout}${stderr}`.trim();
  console.log(output);
  if (!output.includes(expected))
    throw new CommandFailed(`"${expected}" was expected from \`${command}\``);
}

async function alertArrived(controlPlane: DemoControlPlane): Promise<void> {
  const deadline = Date.now() + ALERT_WITHIN_MS;
  while (
    !(await controlPlane.run('logs', '--policy', 'demo', '--json')).includes('/usr/bin/sleep')
  ) {
    if (Date.now() > deadline) throw new CommandFailed('no alert arrived within a minute');
  }
}

async function freedAgain(vm: Vm): Promise<void> {
  const deadline = Date.now() + ALERT_WITHIN_MS;
  while ((await vm.ssh('sleep 0.01', { allowFailure: true })).code !== 0) {
    if (Date.now() > deadline)
      throw new CommandFailed('the policy was still enforced a minute after its deletion');
  }
}

function step(title: string): void {
  console.log(`\n${tone(`== ${title}`, 'bold')}`);
}
