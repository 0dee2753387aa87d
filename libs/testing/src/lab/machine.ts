import { createHash } from 'node:crypto';
import { join } from 'node:path';

import type { Accelerator } from './accelerator.js';
import type { LabImage } from './image.js';
import { GUEST_NETWORK, ROOT_LABEL } from './lab.config.js';
import type { GuestKernel } from './usb-kernel.js';

/** What a virtual machine is made of; a snapshot can be restored only into an equal one. */
export interface Machine {
  image: LabImage;
  accelerator: Accelerator;
  cpus: number;
  memoryMiB: number;
  /** First line of `qemu-system-x86_64 --version`: saved states are not kept across versions. */
  qemuVersion: string;
  /** With a USB controller, and the kernel that knows it in the place of the image's. */
  usb?: GuestKernel;
}

/** Files of one running machine, all in its run folder, whose path must be short (Unix socket names). */
export interface MachineFiles {
  qmp: string;
  console: string;
  qemuLog: string;
  sshControl: string;
}

/** Names of the files of the machine that runs in `dir`. */
export function machineFiles(dir: string): MachineFiles {
  const at = (name: string): string => join(dir, name);
  return {
    qmp: at('qmp'),
    console: at('console.log'),
    qemuLog: at('qemu.log'),
    sshControl: at('ssh'),
  };
}

/** Arguments of QEMU for a machine on the disk overlay `disk`; `isIncoming` leaves it waiting for a saved state. */
export function machineArguments(
  machine: Machine,
  dir: string,
  disk: string,
  isIncoming: boolean,
): string[] {
  const files = machineFiles(dir);
  return [
    ...hardware(machine),
    ...['-drive', `id=root,file=${disk},format=qcow2,if=none,cache=unsafe,discard=unmap`],
    ...[
      '-chardev',
      `file,id=console,path=${files.console},append=on`,
      '-serial',
      'chardev:console',
    ],
    ...['-qmp', `unix:${files.qmp},server=on,wait=off`],
    ...(isIncoming ? ['-incoming', 'defer'] : []),
  ];
}

/**
 * Without what emulation pays for: strings are copied by the byte where `erms` and `fsrm` say that this is fast, a fifth
 * level of page tables is walked at each miss, and AVX is slower than the SSE that programs take in its place.
 */
const EMULATED_CPU = 'max,-erms,-fsrm,-la57,-avx,-avx2';

/** Of `counted`: an instruction takes 2^2 ns of the guest's time, about what emulation takes. */
const COUNTED_SHIFT = 2;
/** Nanoseconds of the guest's clock that an instruction of a counted CPU takes. */
export const COUNTED_NS = 2 ** COUNTED_SHIFT;

/** What runs the guest's processors. */
const PROCESSORS: Readonly<Record<Accelerator, readonly string[]>> = {
  kvm: ['-accel', 'kvm', '-cpu', 'host'],
  tcg: ['-accel', 'tcg,thread=multi', '-cpu', EMULATED_CPU],
  counted: [
    ...['-accel', 'tcg,thread=single', '-cpu', EMULATED_CPU],
    ...['-icount', `shift=${COUNTED_SHIFT},sleep=on`],
  ],
};

// `pc`, not `microvm`: without HPET and ACPI timer a microvm sometimes hung in TSC calibration under emulation.
function hardware(machine: Machine): string[] {
  const { product, control } = GUEST_NETWORK;
  const nic = (n: { nic: string; mac: string }): string =>
    `virtio-net-pci,netdev=${n.nic},romfile=,mac=${n.mac}`;
  return [
    ...['-M', 'pc,usb=off,vmport=off', '-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...PROCESSORS[machine.accelerator],
    ...['-smp', String(machine.cpus)],
    ...['-m', String(machine.memoryMiB), '-rtc', 'base=utc,clock=host'],
    ...['-device', 'vmgenid,guid=auto'],
    ...[
      '-kernel',
      (machine.usb ?? machine.image).kernel,
      '-initrd',
      (machine.usb ?? machine.image).initrd,
      '-append',
      kernelArguments(),
    ],
    ...['-device', `virtio-blk-pci,drive=root,serial=${ROOT_LABEL}`, '-device', 'virtio-rng-pci'],
    ...['-netdev', `user,id=${product.nic},ipv6=off`, '-device', nic(product)],
    ...[
      '-netdev',
      `user,id=${control.nic},restrict=on,net=10.0.3.0/24,ipv6=off`,
      '-device',
      nic(control),
    ],
    ...(machine.usb === undefined ? [] : ['-device', 'qemu-xhci,id=xhci']),
  ];
}

/** Pages are not wiped at each allocation, and no retpoline is made: both protect from what no guest here can do. */
function kernelArguments(): string {
  return `console=ttyS0 net.ifnames=0 quiet panic=5 init_on_alloc=0 spectre_v2=off`;
}

/** Key of a saved state: equal for machines that can restore one another's, and for equal `content`. */
export function machineKey(machine: Machine, content: string): string {
  const parts = [
    machine.image.hash,
    machine.qemuVersion,
    hardware(machine).filter((arg) => !arg.startsWith('/')),
    content,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
