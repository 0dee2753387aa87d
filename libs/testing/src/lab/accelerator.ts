import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { LabImage } from './image.js';
import { labCacheDir } from './lab.config.js';

const PROBE_TIMEOUT_MS = 5_000;

/**
 * How QEMU runs guests here: `kvm` only where a guest was seen to boot with it; `counted`, where it is asked for, is one
 * emulated CPU whose clock counts its instructions.
 */
export type Accelerator = 'kvm' | 'tcg' | 'counted';

/** Probes KVM by a short boot, once per boot of this machine; where /dev/kvm is missing or hangs, it is `tcg`. */
export async function labAccelerator(image: LabImage): Promise<Accelerator> {
  const file = join(labCacheDir(), 'accelerator.json');
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const known = await readFile(file, 'utf8').catch(() => '');
  for (const accelerator of ['kvm', 'tcg'] as const) {
    if (known === answer(bootId, accelerator)) return accelerator;
  }
  const accelerator = isKvmOpen() && (await bootsWithKvm(image)) ? 'kvm' : 'tcg';
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, answer(bootId, accelerator));
  await rename(temporary, file);
  return accelerator;
}

function answer(bootId: string, accelerator: Accelerator): string {
  return JSON.stringify({ bootId, accelerator });
}

function isKvmOpen(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** True once the guest's kernel speaks on its console; there is no root, so it panics and QEMU ends by itself. */
function bootsWithKvm(image: LabImage): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const machine = [
    '-M',
    'pc',
    '-accel',
    'kvm',
    '-cpu',
    'host',
    '-m',
    '256',
    '-nodefaults',
    '-display',
    'none',
  ];
  const kernel = [
    '-kernel',
    image.kernel,
    '-append',
    'console=ttyS0 panic=-1',
    '-no-reboot',
    '-serial',
    'stdio',
  ];
  const qemu = spawn('qemu-system-x86_64', [...machine, ...kernel], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const timer = setTimeout(() => qemu.kill('SIGKILL'), PROBE_TIMEOUT_MS);
  let console = '';
  qemu.stdout.on('data', (chunk: Buffer) => {
    console += chunk.toString('latin1');
    if (/Run \/init|Kernel panic|VFS:/.test(console)) qemu.kill('SIGKILL');
  });
  qemu.on('error', () => resolve(false));
  qemu.on('close', () => {
    clearTimeout(timer);
    resolve(/Run \/init|Kernel panic|VFS:/.test(console));
  });
  return promise;
}
