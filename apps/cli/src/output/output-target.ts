import {
  fstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { pid } from 'node:process';

export const STANDARD_OUTPUT = 1;
const OWN = '/proc/self/fd';

/**
 * What a name stands for: standard output, which opened anew would lose its place, or what is there; or the file that it
 * leads to, whose folder is the one that counts.
 */
export function targetOf(path: string): string | typeof STANDARD_OUTPUT {
  const file = resolve(path);
  try {
    const folder = realpathSync(dirname(file));
    if (folder === `/proc/${pid}/fd`)
      return basename(file) === String(STANDARD_OUTPUT)
        ? STANDARD_OUTPUT
        : `${OWN}/${basename(file)}`;
    const next = resolve(folder, readlinkSync(file));
    // One that leads nowhere is replaced itself, and some in /proc lead to what has no path.
    statSync(next);
    return targetOf(next);
  } catch {
    return file;
  }
}

/** Which descriptor of this process a target is, if it is one. */
export function descriptorOf(target: string): number | undefined {
  return dirname(target) === OWN ? Number(basename(target)) : undefined;
}

/**
 * Whether it is a pipe or a terminal that this process was given to write to: of its own pipes it has both ends, and what is
 * written to those that wake it up ends it.
 */
export function isGiven(descriptor: number): boolean {
  try {
    const found = fstatSync(descriptor);
    if (!(found.isFIFO() || found.isCharacterDevice()) || isReader(descriptor)) return false;
    const what = readlinkSync(`${OWN}/${descriptor}`);
    return (
      !found.isFIFO() || !others(descriptor).some((each) => linkOf(each) === what && isReader(each))
    );
  } catch {
    return false;
  }
}

function others(descriptor: number): readonly number[] {
  return readdirSync(OWN)
    .map(Number)
    .filter((each) => each !== descriptor);
}

function linkOf(descriptor: number): string | undefined {
  try {
    return readlinkSync(`${OWN}/${descriptor}`);
  } catch {
    // That by which the folder was read.
    return undefined;
  }
}

function isReader(descriptor: number): boolean {
  const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'));
  const ACCESS = 0o3;
  return (Number.parseInt(flags?.[1] ?? '0', 8) & ACCESS) === 0;
}
