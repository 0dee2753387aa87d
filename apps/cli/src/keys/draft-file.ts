import { readFile } from 'node:fs/promises';
import { PUBLIC, writeOutput } from '../output/output-file.js';

/** What a draft's file holds: an object, of which nothing is checked. Throws where it is none. */
export async function readDraftFile(file: string): Promise<object> {
  const value: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new Error('it holds no JSON object');
}

/** Puts a draft into a file, whole or not at all. Throws CommandFailed. */
export function writeDraftFile(file: string, draft: object): Promise<void> {
  return writeOutput(file, `${JSON.stringify(draft, null, 2)}\n`, { mode: PUBLIC });
}
