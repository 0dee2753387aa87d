import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readIfThere, writePrivate } from './private-file.js';

/** The id of the control plane whose data directory this is: the same after a restart, which so takes its own place. */
export function replicaId(dataDir: string): string {
  const path = join(dataDir, 'replica-id');
  const known = readIfThere(path)?.trim();
  if (known !== undefined && /^[0-9a-f]{16}$/.test(known)) return known;
  const made = randomBytes(8).toString('hex');
  writePrivate(path, `${made}\n`);
  return made;
}
