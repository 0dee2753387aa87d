import { statSync, type Stats } from 'node:fs';
import { geteuid } from 'node:process';
import { ConfigError } from '../config/config-error.js';

/** Refuses a secret file that others may read, or that is another user's. Throws ConfigError naming the remedy. */
export function checkPrivate(name: string, path: string): void {
  const { mode, uid } = statOf(name, path);
  if ((mode & 0o077) !== 0)
    throw new ConfigError(name, path, `must be readable by its owner only (chmod 600 ${path})`);
  // What is root's only root could have opened; what is another user's, that user can read and change.
  const own = geteuid?.();
  if (own === undefined || uid === own || uid === 0) return;
  throw new ConfigError(
    name,
    path,
    `belongs to user ${uid}, and this runs as user ${own}: it must be its own (chown ${own} ${path})`,
  );
}

function statOf(name: string, path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(name, path, `cannot be used: ${reason}`, { cause });
  }
}
