import { readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { LabError } from './lab.errors.js';
import type { SshTarget } from './ssh.client.js';

/** A VM of `hostward lab up`: its process, and how to reach it. */
export interface LabNode extends SshTarget {
  name: string;
  pid: number;
  consoleLog: string;
}

/** What `hostward lab up` left running, kept in `.hostward/lab/state.json` of the project. */
export interface LabState {
  runDir: string;
  nodes: LabNode[];
}

/** Reads the state below `projectDir`; undefined if no lab is up. Throws LabError if the file is not ours. */
export async function readLabState(projectDir: string): Promise<LabState | undefined> {
  const file = stateFile(projectDir);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const state: unknown = JSON.parse(text);
  if (!isLabState(state)) throw new LabError(`${file} is no state of a lab: remove it`);
  return state;
}

/** Writes the state below `projectDir`, whole or not at all. */
export async function writeLabState(projectDir: string, state: LabState): Promise<void> {
  const file = stateFile(projectDir);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`);
  await rename(`${file}.new`, file);
}

/** Forgets the lab of `projectDir`. */
export function removeLabState(projectDir: string): Promise<void> {
  return rm(stateFile(projectDir), { force: true });
}

/** Whether the node's QEMU runs: the number may be another program's by now, so its command line must name the run folder. */
export function isNodeRunning(state: LabState, node: LabNode): boolean {
  try {
    const line = readFileSync(`/proc/${node.pid}/cmdline`, 'utf8');
    return line.includes('qemu-system') && line.includes(`${state.runDir}/`);
  } catch {
    return false;
  }
}

function stateFile(projectDir: string): string {
  return join(projectDir, '.hostward', 'lab', 'state.json');
}

function isLabState(value: unknown): value is LabState {
  if (typeof value !== 'object' || value === null || !('runDir' in value) || !('nodes' in value))
    return false;
  return (
    typeof value.runDir === 'string' && Array.isArray(value.nodes) && value.nodes.every(isLabNode)
  );
}

function isLabNode(value: unknown): value is LabNode {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  const texts = ['name', 'keyFile', 'controlPath', 'consoleLog'].every(
    (key) => typeof fields[key] === 'string',
  );
  return texts && Number.isInteger(fields['pid']) && Number.isInteger(fields['port']);
}
