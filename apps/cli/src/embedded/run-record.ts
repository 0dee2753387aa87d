import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a running `up` leaves in its data folder, for a second `up`, for `down` and for tests. */
export interface RunRecord {
  readonly pid: number;
  readonly url: string;
  readonly caFingerprint: string;
  readonly children: Readonly<Record<string, number>>;
}

const FILE = 'up.json';

/** The record of an `up` that is alive on this data folder, if there is one. */
export async function runningUp(dataDir: string): Promise<RunRecord | undefined> {
  const text = await readFile(join(dataDir, FILE), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const record = JSON.parse(text) as RunRecord;
  return (await isUp(record.pid)) ? record : undefined;
}

export async function writeRunRecord(dataDir: string, record: RunRecord): Promise<void> {
  const file = join(dataDir, FILE);
  await writeFile(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

export async function removeRunRecord(dataDir: string): Promise<void> {
  await rm(join(dataDir, FILE), { force: true });
}

/** A pid alone may have been given to another program since: its command line must be an `up`. */
async function isUp(pid: number): Promise<boolean> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const words = line.split('\0');
  return words.some((word) => word.endsWith('main.js')) && words.includes('up');
}
