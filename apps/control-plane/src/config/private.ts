import { existsSync, readFileSync, statSync, type Stats } from 'node:fs';
import { geteuid } from 'node:process';
import { ConfigError } from './config-error.js';

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

/**
 * Refuses root in a data directory of another user, who could not read what root writes there: a control plane would not
 * start any more. Throws ConfigError naming the remedy.
 */
export function checkOwnFolder(name: string, path: string): void {
  if (geteuid?.() !== 0 || !existsSync(path)) return;
  const { uid } = statOf(name, path);
  if (uid === 0) return;
  throw new ConfigError(
    name,
    path,
    `belongs to user ${uid}, who could not read what root writes there: run this as that user (runuser -u NAME, or systemd-run --property=User=NAME)`,
  );
}

/** The text of a file. Throws ConfigError, naming `name`, path and reason. */
export function readText(name: string, path: string): string {
  return used(name, path, () => readFileSync(path, 'utf8'));
}

function statOf(name: string, path: string): Stats {
  return used(name, path, () => statSync(path));
}

function used<T>(name: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(name, path, `cannot be used: ${reason}`, { cause });
  }
}
