import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { LabError, VmTimeoutError } from './lab.errors.js';
import type { QmpClient } from './qmp.client.js';

const MIGRATION_TIMEOUT_MS = 360_000;

/** A frozen guest in the cache: the folder of its disk and memory. */
export interface Snapshot {
  readonly name: string;
  readonly dir: string;
  readonly memoryMiB: number;
  /** Random per making: a layer's disk is good only on the very disk that it was made on. */
  readonly id: string;
}

/** Name of the disk overlay in a snapshot's folder. */
export function snapshotDisk(dir: string): string {
  return join(dir, 'disk.qcow2');
}

/** Name of the saved memory and device state in a snapshot's folder. */
export function snapshotMemory(dir: string): string {
  return join(dir, 'memory.mig');
}

/** Marks the snapshot in `dir` as this one making. */
export async function writeSnapshotId(dir: string): Promise<void> {
  await writeFile(join(dir, 'id'), randomUUID());
}

/** Reads a snapshot of the cache. */
export async function readSnapshot(
  name: string,
  dir: string,
  memoryMiB: number,
): Promise<Snapshot> {
  return { name, dir, memoryMiB, id: await readFile(join(dir, 'id'), 'utf8') };
}

/** Stops the guest and writes its memory and device state to `file`; the guest stays stopped. */
export async function saveMemory(qmp: QmpClient, file: string): Promise<void> {
  await qmp.execute('stop');
  await prepareMigration(qmp);
  await qmp.execute('migrate', { uri: `file:${file}` });
  await migrationEnd(qmp);
}

/** Fills a QEMU that was started with `-incoming defer` from `file` and lets it run. */
export async function loadMemory(qmp: QmpClient, file: string): Promise<void> {
  await prepareMigration(qmp);
  await qmp.execute('migrate-incoming', { uri: `file:${file}` });
  await migrationEnd(qmp);
  await qmp.execute('cont');
}

async function prepareMigration(qmp: QmpClient): Promise<void> {
  const capabilities = [{ capability: 'mapped-ram', state: true }];
  await qmp.execute('migrate-set-capabilities', { capabilities });
}

async function migrationEnd(qmp: QmpClient): Promise<void> {
  const deadline = Date.now() + MIGRATION_TIMEOUT_MS;
  for (;;) {
    const status = statusOf(await qmp.execute('query-migrate'));
    if (status.status === 'completed') return;
    if (status.status === 'failed')
      throw new LabError(`saving or restoring memory failed: ${status.why}`);
    if (Date.now() > deadline)
      throw new VmTimeoutError(`memory was not moved in ${MIGRATION_TIMEOUT_MS} ms`);
    await delay(20);
  }
}

function statusOf(reply: unknown): { status: string; why: string } {
  const fields = typeof reply === 'object' && reply !== null ? reply : {};
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    status: 'status' in fields ? text(fields.status) : '',
    why: 'error-desc' in fields ? text(fields['error-desc']) : '',
  };
}
