import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getuid } from 'node:process';
import type { Program } from '../../../apps/cli/src/embedded/supervised.js';
import { ETCD_MEMBERS, type EtcdMember } from './etcd-members.js';
import { LackingHere } from './fault-tally.js';

/** etcd keeps 128 MiB of it for its log beforehand; the rest is for its database. */
const MIB = 160;
const MOUNT = `for dir in "$@"; do
  mkdir -p "$dir" && mount -t tmpfs -o size=${MIB}m,mode=700 hostward "$dir" || exit 1
done
echo mounted
exec cat`;

/**
 * Small disks for etcd's members, in a mount namespace that nobody else sees and that ends with this process. Only root
 * can make one; for others members lie on the disk of all, which cannot be filled.
 */
export class EtcdDisks {
  #holder: ChildProcess | undefined;

  constructor(private readonly folder: string) {}

  async start(): Promise<void> {
    if (getuid?.() !== 0) return;
    const folders = ETCD_MEMBERS.map((name) => this.#path(name));
    const words = ['--mount', '--propagation', 'private', '/bin/sh', '-c', MOUNT, 'sh', ...folders];
    const holder = spawn('unshare', words, { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(holder, 'exit').then(() => {
      throw new Error('no disks can be mounted for etcd: see above');
    });
    await Promise.race([once(holder.stdout, 'data'), ended]);
    ended.catch(() => undefined);
    this.#holder = holder;
  }

  /** The same program, on its disk. */
  on(program: Program): Program {
    if (!this.#holder) return program;
    const namespace = `--mount=/proc/${this.#holder.pid}/ns/mnt`;
    return { ...program, command: 'nsenter', args: [namespace, program.command, ...program.args] };
  }

  /** Not a byte more can be written. */
  async fill(name: EtcdMember): Promise<void> {
    const file = await open(this.#filler(name), 'w');
    try {
      for (const size of [1024 ** 2, 4_096]) await untilFull(() => file.write(Buffer.alloc(size)));
    } finally {
      await file.close();
    }
  }

  async empty(name: EtcdMember): Promise<void> {
    await rm(this.#filler(name), { force: true });
  }

  stop(): void {
    this.#holder?.stdin?.end();
  }

  #path(name: EtcdMember): string {
    return join(this.folder, name);
  }

  #filler(name: EtcdMember): string {
    if (!this.#holder) throw new LackingHere('only root can give etcd a disk');
    return join(`/proc/${this.#holder.pid}/root`, this.#path(name), 'filler');
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
