import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { LabError } from './lab.errors.js';

const LOCK_TIMEOUT_MS = 20 * 60_000;

/**
 * Returns `dir`, made by `build` in a temporary folder beside it if it is not there yet.
 * Two runs at once build it once: builders hold a lock, and the result appears by one rename.
 */
export async function cacheEntry(
  dir: string,
  build: (building: string) => Promise<void>,
): Promise<string> {
  if (!existsSync(dir)) {
    await mkdir(dirname(dir), { recursive: true });
    await withLock(`${dir}.lock`, () => buildOnce(dir, build));
  }
  const now = new Date();
  await utimes(dir, now, now);
  return dir;
}

async function buildOnce(dir: string, build: (building: string) => Promise<void>): Promise<void> {
  if (existsSync(dir)) return;
  await removeLeftovers(dir);
  const building = await mkdtemp(`${dir}.building-`);
  try {
    await build(building);
    await rename(building, dir);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

/** The lock is held, so whatever another builder of this entry left is dead. */
async function removeLeftovers(dir: string): Promise<void> {
  const prefix = `${basename(dir)}.building-`;
  for (const name of await readdir(dirname(dir))) {
    if (name.startsWith(prefix))
      await rm(join(dirname(dir), name), { recursive: true, force: true });
  }
}

/**
 * Removes entries beside `dir` whose names begin with `prefix` beyond the `keep` last used ones.
 * One used within the last two hours stays: a VM may run on it.
 */
export async function pruneEntries(dir: string, prefix: string, keep: number): Promise<void> {
  const entries: { path: string; usedMs: number }[] = [];
  for (const name of await readdir(dirname(dir))) {
    const path = join(dirname(dir), name);
    if (!name.startsWith(prefix) || name.includes('.') || path === dir) continue;
    entries.push({ path, usedMs: (await stat(path)).mtimeMs });
  }
  entries.sort((a, b) => b.usedMs - a.usedMs);
  const old = entries.slice(keep - 1).filter((entry) => entry.usedMs < Date.now() - 2 * 3_600_000);
  for (const entry of old) {
    await rm(entry.path, { recursive: true, force: true });
    await rm(`${entry.path}.lock`, { force: true });
  }
}

/** Runs `action` under an exclusive lock on `file`; the kernel releases it if this process dies. */
export async function withLock<T>(file: string, action: () => Promise<T>): Promise<T> {
  const holder = spawn(
    'flock',
    ['-x', '-w', String(LOCK_TIMEOUT_MS / 1000), file, 'sh', '-c', 'echo held; exec cat'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve());
      holder.once('error', reject);
      holder.once('close', () =>
        reject(new LabError(`no lock on ${file}: another run holds it for too long`)),
      );
    });
    return await action();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
