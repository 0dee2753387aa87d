import { readdir, readFile, rename } from 'node:fs/promises';
import { errorCode } from '../config/error-facts.js';
import { compareEventIds } from './event-id.js';

const SUFFIX = '.seg';

/** What is so by itself, and not for want of something that others use too. */
const FOR_GOOD: ReadonlySet<string> = new Set([
  'EIO',
  'EISDIR',
  'EACCES',
  'EPERM',
  'ENOENT',
  'ELOOP',
  'ENXIO',
  'EBADMSG',
  'EUCLEAN',
  'ENOTDIR',
]);

/** What a file holds; undefined where it will not be read the next time either: then it is set aside, if that can be done. */
export async function readOrSetAside(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (!FOR_GOOD.has(errorCode(cause) ?? '')) throw cause;
    await rename(path, `${path}.unreadable`).catch(() => undefined);
    return undefined;
  }
}

/** The file of the segment that begins with this id. */
export function segmentFile(firstId: string): string {
  return `${firstId}${SUFFIX}`;
}

/** Files of segments in a folder, oldest first. */
export async function segmentFiles(dir: string): Promise<readonly string[]> {
  const files = (await readdir(dir)).filter((file) => file.endsWith(SUFFIX));
  const firstId = (file: string): string => file.slice(0, -SUFFIX.length);
  return files.sort((a, b) => compareEventIds(firstId(a), firstId(b)));
}
