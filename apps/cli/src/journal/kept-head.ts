import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { contextFile } from '../client/context-file.js';
import { CommandFailed } from '../errors.js';
import type { KeptHead } from './verify-journal.js';

/** Where the head of the last run is kept: beside the contexts, one for each control plane. */
export function keptHeadFile(url: string): string {
  const name = createHash('sha256').update(url).digest('hex').slice(0, 16);
  return join(dirname(contextFile()), 'journal-heads', `${name}.json`);
}

/** The head of the last run; undefined where there was none. A file that cannot be understood is never passed over. */
export async function readKeptHead(file: string): Promise<KeptHead | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new CommandFailed(`cannot read ${file}: ${error.message}`);
  });
  return text === undefined ? undefined : parsed(text, file);
}

/** Keeps the head for the next run. */
export async function writeKeptHead(file: string, head: KeptHead): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.new`;
  await writeFile(temporary, `${JSON.stringify(head)}\n`, { mode: 0o600 });
  await chmod(temporary, 0o600);
  await rename(temporary, file);
}

function parsed(text: string, file: string): KeptHead {
  try {
    const value: unknown = JSON.parse(text);
    if (isKeptHead(value)) return value;
  } catch {
    // Said below.
  }
  throw new CommandFailed(
    `${file} holds no head of a journal`,
    'if you know why, move it away: the next run then has nothing to compare with',
  );
}

function isKeptHead(value: unknown): value is KeptHead {
  if (typeof value !== 'object' || value === null) return false;
  const { seq, hash, keys } = value as Partial<Record<keyof KeptHead, unknown>>;
  return typeof seq === 'number' && typeof hash === 'string' && Array.isArray(keys);
}
