import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a running `up` leaves in its data folder, for a second `up`, for `down` and for tests. */
export interface RunRecord {
  readonly pid: number;
  readonly url: string;
  /** Empty, as `children` may be, while it starts. */
  readonly caFingerprint: string;
  readonly ready: boolean;
  /** Pids by program name, as they are now: programs that ended and were started again have new ones. */
  readonly children: Readonly<Record<string, number>>;
}

const FILE = 'up.json';

/** The record of an `up` that serves on this data folder, if there is one. */
export async function runningUp(dataDir: string): Promise<RunRecord | undefined> {
  const record = liveUp(dataDir);
  return Promise.resolve(record?.ready === true ? record : undefined);
}

/** As `runningUp`, also while it starts or stops. */
export function liveUp(dataDir: string): RunRecord | undefined {
  const record = lastRecord(dataDir);
  return record !== undefined && isUp(record.pid) ? record : undefined;
}

/** The last record on this data folder, whether or not its `up` is still there. */
export function lastRecord(dataDir: string): RunRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')) as RunRecord;
  } catch {
    return undefined;
  }
}

/** Synchronous, so that two writers in one process cannot cross. */
export function writeRunRecord(dataDir: string, record: RunRecord): void {
  const file = join(dataDir, FILE);
  writeFileSync(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function removeRunRecord(dataDir: string): void {
  rmSync(join(dataDir, FILE), { force: true });
}

/** A pid alone may have been given to another program since: its command line must be an `up`, of this build or an older one. */
export function isUp(pid: number): boolean {
  const words = commandLine(pid);
  return words.some((word) => /\/(bundle|main)\.js$/.test(word)) && words.includes('up');
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
