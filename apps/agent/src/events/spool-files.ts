import { readdir, readFile, rename } from 'node:fs/promises';
import { basename } from 'node:path';
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

/** Told which file was set aside. */
export type OnSetAside = (file: string) => void;

/** The folder or the file is not there, or something else is in its place. */
const NOT_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR']);
/** The medium does not give it back. */
const BAD_MEDIUM: ReadonlySet<string> = new Set(['EIO', 'EBADMSG', 'EUCLEAN']);

/**
 * What a file holds that need not be there. One that the medium does not give back is set aside; anything else that keeps
 * it from being read is thrown, since it may be over the next time.
 */
export async function readIfThere(
  path: string,
  onSetAside: OnSetAside,
): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    const code = errorCode(cause) ?? '';
    if (NOT_THERE.has(code)) return undefined;
    if (!BAD_MEDIUM.has(code)) throw cause;
    await rename(path, `${path}.unreadable`).catch(() => undefined);
    onSetAside(basename(path));
    return undefined;
  }
}

/** The file of the segment that begins with this id. */
export function segmentFile(firstId: string): string {
  return `${firstId}${SUFFIX}`;
}

/** The id of the first alert of a segment when it was begun. */
export function firstIdOf(file: string): string {
  return file.slice(0, -SUFFIX.length);
}

/** Files of segments in a folder, oldest first; none where there is no folder. Throws where it cannot be listed. */
export async function segmentFiles(dir: string): Promise<readonly string[]> {
  const all = await readdir(dir).catch((cause: unknown) => {
    if (NOT_THERE.has(errorCode(cause) ?? '')) return [];
    throw cause;
  });
  return all
    .filter((file) => file.endsWith(SUFFIX))
    .sort((a, b) => compareEventIds(firstIdOf(a), firstIdOf(b)));
}
