import { cp, lutimes, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { existsSync } from 'node:fs';

/** Folders of a staged tree that are installed; what lies beside them is for who installs it by hand. */
const INSTALLED = ['etc', 'usr'];

/** Copies what is installed. */
export async function copyInstalled(tree: string, to: string): Promise<void> {
  for (const folder of INSTALLED) {
    const from = join(tree, folder);
    if (!existsSync(from)) continue;
    await cp(from, join(to, folder), { recursive: true, verbatimSymlinks: true });
  }
}

/** Paths of all regular files, relative and sorted. */
export async function filesOf(tree: string): Promise<string[]> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => relative(tree, join(parentPath, name))).sort();
}

/** KiB that a tree takes once installed, as Debian counts: each file rounded up, one for anything else. */
export async function installedKib(tree: string): Promise<number> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  let kib = 0;
  for (const entry of entries) {
    const bytes = entry.isFile() ? (await stat(join(entry.parentPath, entry.name))).size : 1;
    kib += Math.ceil(bytes / 1024);
  }
  return kib;
}

/** Gives everything in a tree the same time. */
export async function setTimes(tree: string, epoch: number): Promise<void> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  for (const { parentPath, name } of entries) await lutimes(join(parentPath, name), epoch, epoch);
  await lutimes(tree, epoch, epoch);
}
