import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { labAccelerator } from './accelerator.js';
import { cacheEntry, pruneEntries } from './cache-entry.js';
import { type LabImage, labImage } from './image.js';
import type { DebianRelease } from './image-recipe.js';
import { DEFAULT_MEMORY_MIB, projectRoot } from './lab.config.js';
import { LabError, VmTimeoutError } from './lab.errors.js';
import { type Machine, machineKey } from './machine.js';
import type { Lifetime } from './qemu-process.js';
import { mustRun } from './run-command.js';
import { makeRunFolder } from './run-folder.js';
import { readSnapshot, type Snapshot, snapshotDisk, writeSnapshotId } from './snapshot.js';
import { type GuestKernel, usbKernel } from './usb-kernel.js';
import { Vm } from './vm.js';

/**
 * Options of `Lab.open`: the guests' release (default Debian 13), where progress is told (default stderr),
 * where logs of failures go, whether VMs outlive us, whether their one CPU's clock counts instructions, and how many CPUs
 * they have: two, which wait for one another where they are emulated; two VMs of two took 1.4 times the work of two of one.
 */
export interface LabOptions {
  release?: DebianRelease;
  log?: (message: string) => void;
  logDir?: string;
  lifetime?: Lifetime;
  counted?: boolean;
  cpus?: 1 | 2;
}

/** A VM to start: from a snapshot (default: the booted base), restored, or with `boot` booted from its disk. */
export interface VmOptions {
  name: string;
  from?: Snapshot;
  memoryMiB?: number;
  boot?: boolean;
  /** Booted, with a USB controller (`Vm.plugUsb`) and a kernel that has USB. */
  usb?: boolean;
  /** Raw ext4 image of the host, mounted read-only at /mnt/extra. */
  extraDisk?: string;
}

/** A snapshot made of another by `prepare`, kept in the cache by `name` and `content`. */
export interface LayerOptions {
  name: string;
  base?: Snapshot;
  /** Hash of all that `prepare` puts into the guest: an equal one is not prepared again. */
  content: string;
  memoryMiB?: number;
  prepare: (vm: Vm) => Promise<void>;
}

interface WantedSnapshot {
  name: string;
  content: string;
  memoryMiB: number;
  from: Snapshot | undefined;
}

interface VmStart {
  name: string;
  from: Snapshot | undefined;
  memoryMiB: number;
  disk: string;
  boot: boolean;
  usb?: GuestKernel;
}

const LOGS_NOTE = 'logs of the VMs:';

/** Virtual machines on this host: made in about two seconds from snapshots, gone when the lab or its process ends. */
export class Lab {
  private readonly vms = new Set<Vm>();
  private count = 0;

  private constructor(
    private readonly image: LabImage,
    private readonly machine: Machine,
    readonly runDir: string,
    private readonly options: Required<LabOptions>,
  ) {}

  /** Prepares image and accelerator (a minute when the cache is empty). Close the lab when done. */
  static async open(options: LabOptions = {}): Promise<Lab> {
    const log =
      options.log ?? ((message: string): void => void process.stderr.write(`${message}\n`));
    const release = options.release ?? 'trixie';
    const image = await labImage(release, log);
    const { counted = false, cpus = counted ? 1 : 2 } = options;
    const accelerator = counted ? 'counted' : await labAccelerator(image);
    const version = await mustRun('qemu-system-x86_64', ['--version']);
    const machine = {
      image,
      accelerator,
      cpus,
      memoryMiB: DEFAULT_MEMORY_MIB,
      qemuVersion: version.split('\n')[0] ?? '',
    };
    const lifetime = options.lifetime ?? 'parent';
    const logDir = options.logDir ?? join(projectRoot(), '.hostward', 'lab-logs');
    return new Lab(image, machine, await makeRunFolder(lifetime), {
      ...{ release, log, logDir, lifetime, counted, cpus },
    });
  }

  /** Starts a VM; several may be started at once. */
  async vm(options: VmOptions): Promise<Vm> {
    const from = options.from ?? (await this.base(options.memoryMiB));
    const disk = join(await this.newFolder(options.name), 'disk.qcow2');
    const usb = options.usb === true ? await usbKernel(this.options.log) : undefined;
    const boot = options.boot === true || usb !== undefined;
    const vm = await this.start({
      name: options.name,
      from,
      memoryMiB: from.memoryMiB,
      disk,
      boot,
      usb,
    });
    if (options.extraDisk !== undefined) await vm.mountImage(options.extraDisk, 'extra');
    return vm;
  }

  /** The snapshot of a plain guest whose boot is done. */
  base(memoryMiB = DEFAULT_MEMORY_MIB): Promise<Snapshot> {
    return this.snapshot({ name: 'base', content: '', memoryMiB, from: undefined }, async (vm) => {
      const { state, failedUnits } = await vm.waitBooted();
      if (state !== 'running')
        throw new LabError(`the base guest is ${state}: ${failedUnits.join(', ')}`);
    });
  }

  /** Returns the snapshot of `base` after `prepare`, from the cache if one of this name and content is there. */
  async layer(options: LayerOptions): Promise<Snapshot> {
    const from = options.base ?? (await this.base(options.memoryMiB));
    const content = `${from.id}\n${options.content}`;
    return this.snapshot(
      { name: options.name, content, memoryMiB: from.memoryMiB, from },
      options.prepare,
    );
  }

  /** Runs `action`; if it throws, keeps the logs of all VMs and adds their folder to the error's message. */
  async guarded<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (error instanceof Error && !error.message.includes(LOGS_NOTE)) {
        error.message += `\n${LOGS_NOTE} ${await this.keepLogs()}`;
      }
      throw error;
    }
  }

  /** Writes console, journal and QEMU's log of all VMs into a new folder, names it in the log, and returns it. */
  async keepLogs(): Promise<string> {
    const dir = join(
      this.options.logDir,
      `${new Date().toISOString().replace(/[:.]/g, '-')}-${process.pid}`,
    );
    await Promise.all([...this.vms].map((vm) => vm.collectLogs(join(dir, vm.name))));
    this.options.log(`lab: logs of the VMs are in ${dir}`);
    return dir;
  }

  /** Ends all VMs and removes every file of them; may be called twice. */
  async close(): Promise<void> {
    await Promise.all([...this.vms].map((vm) => vm.kill()));
    this.vms.clear();
    await rm(this.runDir, { recursive: true, force: true });
  }

  /** Leaves detached VMs running and lets this process end. */
  release(): void {
    for (const vm of this.vms) vm.release();
  }

  private async snapshot(
    wanted: WantedSnapshot,
    prepare: (vm: Vm) => Promise<void>,
  ): Promise<Snapshot> {
    const { name, content, memoryMiB } = wanted;
    const key = machineKey({ ...this.machine, memoryMiB }, content);
    const dir = await cacheEntry(
      join(this.image.dir, 'snapshots', `${name}-${key}`),
      async (building) => {
        try {
          await this.freeze(wanted, building, prepare);
        } catch (error) {
          // Seen once in hundreds: a guest that answers nothing any more. What hangs by itself hangs again.
          if (!(error instanceof VmTimeoutError)) throw error;
          this.options.log(`lab: another VM is tried for the snapshot ${name}: ${error.message}`);
          await this.freeze(wanted, building, prepare);
        }
      },
    );
    await pruneEntries(dir, `${name}-`, 3);
    return readSnapshot(name, dir, memoryMiB);
  }

  private async freeze(
    wanted: WantedSnapshot,
    dir: string,
    prepare: (vm: Vm) => Promise<void>,
  ): Promise<void> {
    const { name, from, memoryMiB } = wanted;
    this.options.log(`lab: preparing the snapshot ${name} (kept for the next run)`);
    const vm = await this.start({
      name,
      from,
      memoryMiB,
      disk: snapshotDisk(dir),
      boot: from === undefined,
    });
    try {
      await this.guarded(() => prepare(vm));
      await vm.freeze(dir);
      await writeSnapshotId(dir);
    } finally {
      await this.drop(vm);
    }
  }

  private async start(start: VmStart): Promise<Vm> {
    const { name, from, memoryMiB, disk } = start;
    await makeOverlay(
      disk,
      from === undefined ? this.image.disk : snapshotDisk(from.dir),
      from === undefined ? 'raw' : 'qcow2',
    );
    const machine = { ...this.machine, memoryMiB, usb: start.usb };
    const memoryOf = start.boot ? undefined : from;
    const vm = new Vm({
      name,
      machine,
      runDir: await this.newFolder(name),
      disk,
      lifetime: this.options.lifetime,
      log: this.options.log,
      memoryOf,
    });
    this.vms.add(vm);
    try {
      await this.guarded(() => vm.start());
    } catch (error) {
      await this.drop(vm);
      throw error;
    }
    return vm;
  }

  private async drop(vm: Vm): Promise<void> {
    this.vms.delete(vm);
    await vm.kill();
  }

  private async newFolder(name: string): Promise<string> {
    const dir = join(this.runDir, `${this.count++}-${name}`);
    await mkdir(dir, { recursive: true });
    return dir;
  }
}

async function makeOverlay(disk: string, backing: string, format: 'raw' | 'qcow2'): Promise<void> {
  await mustRun('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', format, '-b', backing, disk]);
}
