import { closeSync, openSync, statfsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { env, pid } from 'node:process';
import { CommandFailed } from '../output/errors.js';

/** From linux/magic.h: what lies there is in memory only, and gone with the power. */
const IN_MEMORY: readonly number[] = [0x01021994, 0x858458f6];

/**
 * A file in memory that has no name, for a key that a program of ours must read from a file. Who has the descriptor
 * reads it; it ends with the last process that has it, also where all are killed at once.
 */
export class HeldKey {
  private constructor(readonly fd: number) {}

  /** An empty one. Throws CommandFailed where this machine has no file system in memory that we may write to. */
  static make(name: string): HeldKey {
    for (const folder of [env['XDG_RUNTIME_DIR'], '/dev/shm', '/run']) {
      const fd = folder === undefined ? undefined : openNameless(folder, name);
      if (fd !== undefined) return new HeldKey(fd);
    }
    throw new CommandFailed(
      'there is no file system in memory for the keys of etcd and Redis: tried XDG_RUNTIME_DIR, /dev/shm and /run',
      'e.g. as root: mount -t tmpfs -o mode=1777 tmpfs /dev/shm',
    );
  }

  /** Its path in this process. */
  get path(): string {
    return heldPath(this.fd);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** The path, in the process that opens it, of what it has under a descriptor. */
export function heldPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** Removed before anything is written: nothing is left wherever this ends. */
function openNameless(folder: string, name: string): number | undefined {
  const path = join(folder, `hostward-${name}.${pid}`);
  try {
    if (!IN_MEMORY.includes(statfsSync(folder).type)) return undefined;
    const fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return fd;
  } catch {
    return undefined;
  }
}
