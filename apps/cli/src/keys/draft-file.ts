import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { CommandFailed, messageOf } from '../errors.js';

/** What a draft's file holds: an object, of which nothing is checked. Throws where it is none. */
export async function readDraftFile(file: string): Promise<object> {
  const value: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new Error('it holds no JSON object');
}

/** Puts a draft into a file, whole or not at all. Throws CommandFailed. */
export async function writeDraftFile(file: string, draft: object): Promise<void> {
  const temporary = `${file}.${process.pid}.new`;
  try {
    await writeFile(temporary, `${JSON.stringify(draft, null, 2)}\n`);
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const why = `cannot write ${file}: ${messageOf(cause)}`;
    throw new CommandFailed(why, 'name a file in a folder that is there', { cause });
  }
}
