import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** Folder of images and snapshots: `$HOSTWARD_CACHE/lab`, else `~/.cache/hostward/lab`; absolute, as QEMU needs it. */
export function labCacheDir(): string {
  return resolve(process.env['HOSTWARD_CACHE'] || join(homedir(), '.cache', 'hostward'), 'lab');
}

/** Root of the project's tree, found from this file in `libs` as well as in `dist/libs`. */
export function projectRoot(): string {
  let dir = import.meta.dirname;
  while (!existsSync(join(dir, 'package-lock.json')) && dirname(dir) !== dir) dir = dirname(dir);
  return dir;
}

/** Addresses that every guest has; the same in all of them, since each has networks of its own. */
export const GUEST_NETWORK = {
  /** The link that the product uses: `Vm.cutLink` cuts it. The host's loopback is `hostAddress` on it. */
  product: { nic: 'net0', mac: '52:54:00:12:00:01', address: '10.0.2.15', hostAddress: '10.0.2.2' },
  /** The link of the lab's own ssh; it reaches nothing and is never cut. */
  control: { nic: 'ctl0', mac: '52:54:00:12:00:02', address: '10.0.3.15', hostAddress: '10.0.3.2' },
} as const;

/** Label and disk serial of the guest's root filesystem: with two disks `/dev/vda` may be either. */
export const ROOT_LABEL = 'lab-root';

/** Memory of a VM in MiB unless it asks for another. */
export const DEFAULT_MEMORY_MIB = 768;
