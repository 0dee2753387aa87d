import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { errorCode } from '../config/error-facts.js';
import { writeFileAtomic, type FilePermissions } from '../config/atomic-file.js';

/** More than any file of a host's identity has. */
const MAX_BYTES = 1024 * 1024;

/** What the file holds, or undefined where there is none; any other failure is thrown. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readRegular(path);
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}

/** Root reads in the agent's folder: a pipe of that name would hold it for ever, a link lead it elsewhere. */
async function readRegular(path: string): Promise<string> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error(`${path} is no regular file: remove it`);
    if (stat.size > MAX_BYTES)
      throw new Error(`${path} has more than ${MAX_BYTES} bytes: remove it`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/**
 * The key in this file, made and written first where there is none: so a retry of an enrolment finds the key that the
 * control plane may know already.
 */
export async function keyOfFile(
  path: string,
  rights: FilePermissions,
  make: () => string | Promise<string>,
): Promise<string> {
  const known = await readIfThere(path);
  if (known !== undefined) return known.trim();
  const key = await make();
  await writeFileAtomic(path, `${key.trim()}\n`, rights);
  return key.trim();
}
