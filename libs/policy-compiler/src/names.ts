import { createHash } from 'node:crypto';

/** The profile that every program gets at exec; always loaded, even without a rule. */
export const CATCH_ALL = 'hostward';

/** What every exec leads to: the program's own profile if it has one, with the catch-all stacked on it. */
export const EXEC = `pix -> &${CATCH_ALL}`;

const SOURCE_PREFIX = 'hostward-src-';

/** Profiles of the package that are exempt from rule sets (libs/sensor/native/apparmor). */
export const INIT_PROFILE = 'hostward-init';
export const SENSOR_PROFILE = 'hostward-sensor';
export const RUNTIME_PROFILE = 'hostward-runtime';

/** In no variant loaded: a unit that names it does not start. */
export const BLOCKED_PROFILE = 'hostward-blocked';

/**
 * Name of the profile of a source. A hash of the path, so that no two programs share a name whatever characters their
 * paths have, and the name of a program stays when other rules change.
 */
export function sourceProfileName(source: string): string {
  const hash = createHash('sha256').update(source).digest('hex').slice(0, 16);
  return `${SOURCE_PREFIX}${hash}`;
}

/** Whether a loaded profile is of a name that we give; anything else is never touched. */
export function isOwnProfile(name: string): boolean {
  return name === CATCH_ALL || /^hostward-src-[0-9a-f]{16}$/.test(name);
}
