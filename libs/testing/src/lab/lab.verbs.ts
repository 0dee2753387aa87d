import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import { Lab } from './lab.js';
import { projectRoot } from './lab.config.js';
import { LabError } from './lab.errors.js';
import {
  isNodeRunning,
  type LabNode,
  type LabState,
  readLabState,
  removeLabState,
  writeLabState,
} from './lab-state.js';
import { shellQuote, sshArguments } from './ssh.client.js';

/** Starts `count` VMs, node1 to nodeN, that run until `labDown`; returns them. Throws LabError if a lab is up. */
export async function labUp(count: number, projectDir = projectRoot()): Promise<LabNode[]> {
  const old = await readLabState(projectDir);
  if (old?.nodes.some((node) => isNodeRunning(old, node))) {
    throw new LabError('a lab is up already: `./hostward lab down` ends it');
  }
  await labDown(projectDir);
  const lab = await Lab.open({ lifetime: 'detached' });
  try {
    const nodes: LabNode[] = [];
    const base = await lab.base();
    for (let number = 1; number <= count; number++) {
      const vm = await lab.vm({ name: `node${number}`, from: base });
      nodes.push({ name: vm.name, consoleLog: vm.consoleLog, ...vm.reach });
      await writeLabState(projectDir, { runDir: lab.runDir, nodes });
    }
    lab.release();
    return nodes;
  } catch (error) {
    await lab.close();
    await removeLabState(projectDir);
    throw error;
  }
}

/** Runs `command` as root on a node of the lab, or a login shell without one, on this terminal; returns its exit code. */
export async function labSsh(
  name: string,
  command: readonly string[],
  projectDir = projectRoot(),
): Promise<number> {
  const node = await findNode(name, projectDir);
  const terminal = command.length === 0 && process.stdin.isTTY ? ['-t'] : [];
  // One word is a line for the guest's shell, as with ssh; several are kept apart.
  const line = command.length > 1 ? shellQuote(command) : command.join('');
  const args = [
    '-o',
    'ControlMaster=no',
    ...terminal,
    ...sshArguments(node),
    ...(line === '' ? [] : ['--', line]),
  ];
  const child = spawn('ssh', args, { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** Ends all VMs of the lab and removes their files; returns how many it ended. */
export async function labDown(projectDir = projectRoot()): Promise<number> {
  const state = await readLabState(projectDir);
  if (state === undefined) return 0;
  const running = state.nodes.filter((node) => isNodeRunning(state, node));
  for (const node of running) process.kill(node.pid, 'SIGKILL');
  await allEnded(state);
  if (existsSync(`${state.runDir}/owner`)) await rm(state.runDir, { recursive: true, force: true });
  await removeLabState(projectDir);
  return running.length;
}

async function allEnded(state: LabState): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (state.nodes.some((node) => isNodeRunning(state, node))) {
    if (Date.now() > deadline) throw new LabError(`VMs of ${state.runDir} do not end`);
    await delay(20);
  }
}

async function findNode(name: string, projectDir: string): Promise<LabNode> {
  const state = await readLabState(projectDir);
  if (state === undefined)
    throw new LabError('no lab is up: `./hostward lab up --nodes N` starts one');
  const node = state.nodes.find((candidate) => candidate.name === name);
  if (node === undefined) {
    throw new LabError(
      `the lab has no ${name}, only ${state.nodes.map((other) => other.name).join(', ')}`,
    );
  }
  if (!isNodeRunning(state, node))
    throw new LabError(`${name} does not run any more; its console: ${node.consoleLog}`);
  return node;
}
