import { createHash } from 'node:crypto';
import { constants, copyFile, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { contextFile } from './context-file.js';
import { CommandFailed } from '../output/errors.js';
import { writeOutput } from '../output/output-file.js';

/** What is kept: the head of its audit log, its root document, and its hosts' ids. */
const KINDS = ['audit-log-heads', 'roots', 'known-hosts'] as const;

/** Where something that was seen is kept to be compared with: beside the contexts, one file for each control plane. */
export function keptFile(kind: (typeof KINDS)[number], identity: string): string {
  const name = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  return join(dirname(contextFile()), kind, `${name}.json`);
}

/** A control plane is known by another identity from now on, as by a new CA: what was kept of it holds on. */
export async function carryKept(before: string, now: string): Promise<void> {
  if (before === now) return;
  for (const kind of KINDS) {
    const [from, to] = [keptFile(kind, before), keptFile(kind, now)];
    await copyFile(from, to, constants.COPYFILE_EXCL).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'EEXIST') return;
      throw new CommandFailed(`cannot copy ${from} to ${to}: ${error.message}`);
    });
  }
}

/** What the file holds; undefined where there is none. One that cannot be read is never passed over. */
export async function readKept(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new CommandFailed(`cannot read ${file}: ${error.message}`);
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw damaged(file);
  }
}

/** Replaces it as a whole. */
export async function writeKept(file: string, value: unknown): Promise<void> {
  await writeOutput(file, `${JSON.stringify(value)}\n`, { makesFolder: true });
}

/** The file does not hold what it should. */
export function damaged(file: string): CommandFailed {
  return new CommandFailed(
    `${file} does not hold what was kept there`,
    'if you know why, move it away: the next run then has nothing to compare with',
  );
}
