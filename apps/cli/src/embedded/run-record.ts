import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Tells a process from every other one that has its pid before or after it. */
export interface Birth {
  readonly bootId: string;
  /** In ticks since boot. */
  readonly startTicks: string;
}

/** What a running `up` leaves in its data folder, for a second `up`, for `down` and for tests. */
export interface RunRecord extends Partial<Birth> {
  readonly pid: number;
  readonly url: string;
  /** Empty, as `children` may be, while it starts. */
  readonly caFingerprint: string;
  readonly ready: boolean;
  /** Pids by program name, as they are now: programs that ended and were started again have new ones. */
  readonly children: Readonly<Record<string, number>>;
}

const FILE = 'up.json';
const START_FIELD_AFTER_NAME = 19;

/** The record of an `up` that serves on this data folder, if there is one. */
export async function runningUp(dataDir: string): Promise<RunRecord | undefined> {
  const record = liveUp(dataDir);
  return Promise.resolve(record?.ready === true ? record : undefined);
}

/** As `runningUp`, also while it starts or stops. */
export function liveUp(dataDir: string): RunRecord | undefined {
  const record = lastRecord(dataDir);
  return record !== undefined && isUp(record) ? record : undefined;
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
  writeFileSync(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`, {
    mode: 0o600,
    flush: true,
  });
  renameSync(`${file}.new`, file);
}

export function removeRunRecord(dataDir: string): void {
  rmSync(join(dataDir, FILE), { force: true });
}

/**
 * A pid alone may have been given to another program since: its command line must be an `up`, of this build or an older
 * one. And to another `up`, in a container to the one that asks: it must be as old as the record says, where that says it.
 */
export function isUp({ pid, bootId, startTicks }: RunRecord): boolean {
  if (pid === process.pid) return false;
  const words = commandLine(pid);
  if (!words.some((word) => /\/(bundle|main)\.js$/.test(word)) || !words.includes('up'))
    return false;
  if (bootId === undefined || startTicks === undefined) return true;
  const birth = birthOf(pid);
  return birth?.bootId === bootId && birth.startTicks === startTicks;
}

/** Whether the machine was started anew since: nothing of that time is left. */
export function isOfEarlierBoot({ bootId }: RunRecord): boolean {
  const now = currentBoot();
  return bootId !== undefined && now !== undefined && bootId !== now;
}

/** Undefined where there is no such process. */
export function birthOf(pid: number): Birth | undefined {
  const bootId = currentBoot();
  const stat = read(`/proc/${pid}/stat`);
  // The name in brackets may hold spaces and brackets, so fields are counted behind it.
  const startTicks = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[START_FIELD_AFTER_NAME];
  return bootId === undefined || startTicks === undefined ? undefined : { bootId, startTicks };
}

function currentBoot(): string | undefined {
  return read('/proc/sys/kernel/random/boot_id')?.trim();
}

function commandLine(pid: number): string[] {
  return read(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
