import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Mode, and owner where it is not the writer. */
export interface FilePermissions {
  readonly mode: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * Writes the whole file or leaves the old one: temporary file, fsync, rename, fsync of the folder. The permissions are set
 * before the rename, so that a secret is never readable by others, not even for a moment.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  rights: FilePermissions,
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
  rights: FilePermissions,
): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    // Of what is open, whatever its name leads to by now: root writes in folders that are the agent's.
    if (rights.owner !== undefined) await handle.chown(rights.owner.uid, rights.owner.gid);
    await handle.chmod(rights.mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
