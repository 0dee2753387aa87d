import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getuid } from 'node:process';

const MOUNT = `while [ $# -gt 0 ]; do
  mkdir -p "$1" && mount -t tmpfs -o "size=$2m,mode=700" hostward "$1" || exit 1
  shift 2
done
echo mounted
exec cat`;
const FILLER = 'filler';

/** The folder that a disk is mounted on, and its size. */
export interface SmallDisk {
  readonly folder: string;
  readonly mib: number;
}

/** Disks in memory that can be filled, in a mount namespace that nobody else sees and that ends with this process. */
export class SmallDisks {
  private constructor(private readonly holder: ChildProcess) {}

  /** Only root can make one. */
  static get canBeMade(): boolean {
    return getuid?.() === 0;
  }

  /** What the title of a test that needs one ends with. */
  static get skipped(): string {
    return SmallDisks.canBeMade ? '' : ' (skipped: only root can make a disk to fill)';
  }

  static async start(disks: readonly SmallDisk[]): Promise<SmallDisks> {
    const words = disks.flatMap(({ folder, mib }) => [folder, String(mib)]);
    const args = ['--mount', '--propagation', 'private', '/bin/sh', '-c', MOUNT, 'sh', ...words];
    const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(holder, 'exit').then(() => {
      throw new Error('no small disks can be mounted: see above');
    });
    await Promise.race([once(holder.stdout, 'data'), ended]);
    ended.catch(() => undefined);
    return new SmallDisks(holder);
  }

  /** The words before a program that finds the disks at their folders. */
  get words(): readonly [string, ...string[]] {
    return ['nsenter', `--mount=/proc/${this.holder.pid}/ns/mnt`];
  }

  /** Where everybody finds the disk. */
  at(folder: string): string {
    return join(`/proc/${this.holder.pid}/root`, folder);
  }

  /** Not a byte more can be written. */
  async fill(folder: string): Promise<void> {
    const file = await open(join(this.at(folder), FILLER), 'w');
    try {
      for (const size of [1024 ** 2, 4_096]) await untilFull(() => file.write(Buffer.alloc(size)));
    } finally {
      await file.close();
    }
  }

  async empty(folder: string): Promise<void> {
    await rm(join(this.at(folder), FILLER), { force: true });
  }

  async stop(): Promise<void> {
    if (this.holder.exitCode !== null || this.holder.signalCode !== null) return;
    const ended = once(this.holder, 'exit');
    this.holder.stdin?.end();
    await ended;
  }
}

async function untilFull(write: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await write();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
      throw error;
    }
  }
}
