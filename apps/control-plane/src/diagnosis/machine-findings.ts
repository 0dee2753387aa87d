import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { failed, fine, warned, type Finding } from '#contracts';

const FAILED_BYTES = 100 * 1024 ** 2;
const WARNED_BYTES = 1024 ** 3;
const MIB = 1024 ** 2;

/** Whether the folder has room and can be written. Never rejects. */
export async function diskFinding(folder: string): Promise<Finding> {
  const check = 'disk';
  try {
    const { bavail, bsize, ffree, files } = await statfs(folder);
    await access(folder, constants.W_OK);
    const bytes = bavail * bsize;
    const room = `${Math.floor(bytes / MIB)} MiB free in ${folder}`;
    const remedy = 'free space there, or move the data folder';
    if (files > 0 && ffree === 0) return failed(check, `no inode is left in ${folder}`, remedy);
    if (bytes < FAILED_BYTES) return failed(check, room, remedy);
    return bytes < WARNED_BYTES ? warned(check, room, remedy) : fine(check, room);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return failed(
      check,
      `${folder} cannot be used: ${why}`,
      'mount it writable, give it to the control plane',
    );
  }
}
