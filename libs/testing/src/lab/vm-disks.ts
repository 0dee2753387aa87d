import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { makeDataDisk } from './data-disk.js';
import type { QmpClient } from './qmp.client.js';

/** A disk that was plugged into a running guest, and where the guest has it mounted read-only. */
interface PluggedDisk {
  id: string;
  file: string;
  mountPoint: string;
  /** Made by us in the run folder, so removed with the disk. */
  isOurs: boolean;
}

/** What the disks of a guest need of it. */
export interface DiskHost {
  qmp: QmpClient;
  runDir: string;
  ssh(command: string): Promise<unknown>;
}

/** The data disks of one guest: plugged in while it runs, mounted read-only, taken out before a snapshot. */
export class VmDisks {
  private readonly disks: PluggedDisk[] = [];
  private nextId = 1;

  /** Plugs in a disk made of the folder `source` and mounts it at /mnt/`name`. */
  async mountFolder(host: DiskHost, source: string, name: string): Promise<string> {
    const file = join(host.runDir, `data-${this.nextId}.ext4`);
    await makeDataDisk(source, file);
    return this.plug(host, file, name, true);
  }

  /** Plugs in the raw filesystem image `file` and mounts it at /mnt/`name`. */
  mountImage(host: DiskHost, file: string, name: string): Promise<string> {
    return this.plug(host, file, name, false);
  }

  /** Mounts all disks again: after a reboot. */
  async remount(host: DiskHost): Promise<void> {
    for (const disk of this.disks) await host.ssh(mountCommand(disk));
  }

  /** Plugs all disks into a QEMU that was started again; `remount` mounts them. */
  async replug(qmp: QmpClient): Promise<void> {
    for (const disk of this.disks) await addDevice(qmp, disk);
  }

  /** Unmounts and unplugs all disks. */
  async unplugAll(host: DiskHost): Promise<void> {
    for (const disk of this.disks.splice(0)) {
      await host.ssh(`umount ${disk.mountPoint}; rmdir ${disk.mountPoint}`);
      const gone = host.qmp.event('DEVICE_DELETED', (event) => event['device'] === disk.id, 30_000);
      await host.qmp.execute('device_del', { id: disk.id });
      await gone;
      await host.qmp.execute('blockdev-del', { 'node-name': disk.id });
      if (disk.isOurs) await rm(disk.file, { force: true });
    }
  }

  private async plug(host: DiskHost, file: string, name: string, isOurs: boolean): Promise<string> {
    const disk = { id: `data${this.nextId++}`, file, mountPoint: `/mnt/${name}`, isOurs };
    await addDevice(host.qmp, disk);
    await host.ssh(mountCommand(disk));
    this.disks.push(disk);
    return disk.mountPoint;
  }
}

async function addDevice(qmp: QmpClient, disk: PluggedDisk): Promise<void> {
  const file = { driver: 'file', filename: disk.file, 'read-only': true };
  await qmp.execute('blockdev-add', {
    'node-name': disk.id,
    driver: 'raw',
    'read-only': true,
    file,
  });
  await qmp.execute('device_add', {
    driver: 'virtio-blk-pci',
    id: disk.id,
    drive: disk.id,
    serial: disk.id,
  });
}

/** The guest needs a moment to see the disk: udev names it by its serial. */
function mountCommand(disk: PluggedDisk): string {
  const device = `/dev/disk/by-id/virtio-${disk.id}`;
  const wait = `for i in $(seq 200); do [ -e ${device} ] && break; sleep 0.05; done`;
  return `${wait}; mkdir -p ${disk.mountPoint} && mount -t ext4 -o ro ${device} ${disk.mountPoint}`;
}
