import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Lifetime } from './qemu-process.js';

const PREFIX = 'hw-lab-';
const OWNER = 'owner';

/**
 * Makes a folder for the sockets, overlays and logs of one lab, in the system's folder for temporary files
 * since names of Unix sockets are short. Removes those that dead processes left.
 */
export async function makeRunFolder(lifetime: Lifetime): Promise<string> {
  await sweep();
  const dir = await mkdtemp(join(tmpdir(), PREFIX));
  await writeFile(
    join(dir, OWNER),
    lifetime === 'detached' ? 'detached' : processMark(process.pid),
  );
  if (lifetime === 'parent')
    process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const owner = await readFile(join(tmpdir(), name, OWNER), 'utf8').catch(() => 'unknown');
    const pid = /^(\d+) /.exec(owner)?.[1];
    const isDead = pid !== undefined && processMark(Number(pid)) !== owner;
    if (isDead) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Process id and start time, so that a number used again is not taken for the owner; '' if there is none. */
function processMark(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  } catch {
    return '';
  }
}
