import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { contextFile } from '../client/context-file.js';
import { CommandFailed } from '../errors.js';

/** Where something that was seen is kept to be compared with: beside the contexts, one file for each control plane. */
export function keptFile(kind: string, url: string): string {
  const name = createHash('sha256').update(url).digest('hex').slice(0, 16);
  return join(dirname(contextFile()), kind, `${name}.json`);
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
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.new`;
  await writeFile(temporary, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  await chmod(temporary, 0o600);
  await rename(temporary, file);
}

/** The file does not hold what it should. */
export function damaged(file: string): CommandFailed {
  return new CommandFailed(
    `${file} does not hold what was kept there`,
    'if you know why, move it away: the next run then has nothing to compare with',
  );
}
