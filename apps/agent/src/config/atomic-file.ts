import { chmod, chown, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Mode, and owner where it is not the writer. */
export interface FileRights {
  readonly mode: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * Writes the whole file or leaves the old one: temporary file, fsync, rename, fsync of the folder. The rights are set
 * before the rename, so that a secret is never readable by others, not even for a moment.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  rights: FileRights,
): Promise<void> {
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  try {
    await writeAndSync(temporary, content, rights);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
  await syncFolder(dirname(path));
}

async function writeAndSync(
  path: string,
  content: string | Uint8Array,
  rights: FileRights,
): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (rights.owner !== undefined) await chown(path, rights.owner.uid, rights.owner.gid);
  await chmod(path, rights.mode);
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
