import { readFile } from 'node:fs/promises';
import { errorCode } from '../config/error-facts.js';
import { writeFileAtomic, type FileRights } from '../config/atomic-file.js';

/** What the file holds, or undefined where there is none; any other failure is thrown. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}

/**
 * The key in this file, made and written first where there is none: so a retry of an enrolment finds the key that the
 * control plane may know already.
 */
export async function keyOfFile(
  path: string,
  rights: FileRights,
  make: () => string | Promise<string>,
): Promise<string> {
  const known = await readIfThere(path);
  if (known !== undefined) return known.trim();
  const key = await make();
  await writeFileAtomic(path, `${key.trim()}\n`, rights);
  return key.trim();
}
