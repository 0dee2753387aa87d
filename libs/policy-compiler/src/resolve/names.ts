import { createHash } from 'node:crypto';

/** The profile that every program gets at exec; always loaded, even without a rule. */
export const CATCH_ALL = 'hostward';

/** What every exec leads to: the program's own profile if it has one, with the catch-all stacked on it. */
export const EXEC = `pix -> &${CATCH_ALL}`;

const SOURCE_PREFIX = 'hostward-src-';
const TERMINAL_SUFFIX = '-tty';

/** Profiles of the package that are exempt from rule sets (libs/sensor/native/apparmor). */
export const INIT_PROFILE = 'hostward-init';
export const SENSOR_PROFILE = 'hostward-sensor';
export const RUNTIME_PROFILE = 'hostward-runtime';

/** Profile of the package that the agent's unit names; stacked on ours where rule sets are enforced by AppArmor. */
export const AGENT_PROFILE = 'hostward-agent';

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

/** Name of a subject of the policy table while it has a terminal. */
export function terminalName(subject: string): string {
  return `${subject}${TERMINAL_SUFFIX}`;
}

/** Whether a record speaks of a subject of ours: a profile, or on BPF one that has a terminal too. */
export function isOwnSubject(name: string): boolean {
  return isOwnProfile(
    name.endsWith(TERMINAL_SUFFIX) ? name.slice(0, -TERMINAL_SUFFIX.length) : name,
  );
}

/** Whether a loaded profile is of a name that we give; anything else is never touched. */
export function isOwnProfile(name: string): boolean {
  return name === CATCH_ALL || /^hostward-src-[0-9a-f]{16}$/.test(name);
}
