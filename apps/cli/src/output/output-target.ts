import { appendFile, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { pid } from 'node:process';
import { promisify } from 'node:util';
import { print } from './standard-output.js';

const STANDARD_OUTPUT = 1;

/**
 * What a name stands for: the file that it leads to, whose folder is the one that counts; or one of this process's
 * descriptors, as /dev/stdout does: opened anew it would lose its place, or what is there.
 */
export function targetOf(path: string): string | number {
  const file = resolve(path);
  try {
    const folder = realpathSync(dirname(file));
    if (folder === `/proc/${pid}/fd`) return Number(basename(file));
    const next = resolve(folder, readlinkSync(file));
    // One that leads nowhere is replaced itself, and some in /proc lead to what has no path.
    statSync(next);
    return targetOf(next);
  } catch {
    return file;
  }
}

/** Whether it is open for writing. */
export function takesText(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'));
    const ACCESS = 0o3;
    return (Number.parseInt(flags?.[1] ?? '0', 8) & ACCESS) !== 0;
  } catch {
    return false;
  }
}

/** After what it has. */
export function writeTo(descriptor: number, text: string): Promise<void> {
  // In order with all else that is printed.
  if (descriptor === STANDARD_OUTPUT) return print(text);
  return promisify(appendFile)(descriptor, text);
}
