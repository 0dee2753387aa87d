import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AGENT_PROFILE, BLOCKED_PROFILE, CATCH_ALL, keepsOwnProfile } from '#policy-compiler';

/** A drop-in that the sensor writes to UNIT.d/50-hostward.conf. */
export interface DropIn {
  readonly unit: string;
  readonly content: string;
}

/** What a service says that matters to profiles. */
export interface Unit {
  readonly unit: string;
  /** `AppArmorProfile=` of the service, as it is written. */
  readonly profile?: string;
  /** Programs that it starts without full privileges, symlinks followed: the main one first. */
  readonly programs: readonly string[];
}

/** Profiles of a program: ours, which a source has to itself, and the one of others that attaches to it. */
export interface ProfilesOf {
  /** Whether a rule forbids its start: PID 1 is outside our profiles, so its unit has to. */
  readonly forbidden: (program: string) => boolean;
  readonly ours: (program: string) => string;
  readonly attached: (program: string) => string | undefined;
}

/** In systemd's order: what comes first hides the same name in the others. */
const UNIT_DIRS = [
  'etc/systemd/system',
  'run/systemd/system',
  'usr/local/lib/systemd/system',
  'usr/lib/systemd/system',
];
const OURS = '50-hostward.conf';
const MAX_UNITS = 5000;
/** Characters that the sensor lets into a drop-in. */
const LABEL = /^[A-Za-z0-9_.@+\-/&]+$/;
const UNIT = /^[A-Za-z0-9:_@\\-][A-Za-z0-9:_.@\\-]{0,190}\.service$/;

/** Started by PID 1, whose own profile would attach to them. */
const USER_MANAGERS = 'user@.service';

type Settings = ReadonlyMap<string, readonly string[]>;

/** Reads the unit files of a host. */
export function readUnits(root: string): readonly Unit[] {
  return unitNames(root).map((unit) => {
    const settings = settingsOf(root, unit);
    const profile = last(settings, 'AppArmorProfile');
    const programs = [...new Set(startedPrograms(settings).map((path) => followed(root, path)))];
    return { unit, programs, ...(profile === undefined ? {} : { profile }) };
  });
}

/**
 * Services start in the profile that attaches to their program. Where that is not ours, or the unit names one
 * (`AppArmorProfile=X`), ours would be missing: a drop-in stacks it (facts/kernel.md).
 */
export function dropInsFor(units: readonly Unit[], profiles: ProfilesOf): readonly DropIn[] {
  return units.flatMap((unit) => {
    const label = labelFor(unit, profiles);
    if (label === undefined) return [];
    const reason = '# Written by hostward: so that its rules bind this service.';
    return [{ unit: unit.unit, content: `${reason}\n[Service]\nAppArmorProfile=${label}\n` }];
  });
}

/** A dash says that a missing profile is no error; what attaches by itself must not become one. */
function labelFor({ unit, profile, programs }: Unit, profiles: ProfilesOf): string | undefined {
  const [main] = programs;
  if (main !== undefined && profiles.forbidden(main)) return BLOCKED_PROFILE;
  const ours = main === undefined ? CATCH_ALL : profiles.ours(main);
  if (profile !== undefined && profile !== '') return named(profile, ours);
  if (unit === USER_MANAGERS) return `-${CATCH_ALL}`;
  if (main === undefined || programs.some(keepsOwnProfile)) return undefined;
  const [attached, ...others] = new Set(programs.map(profiles.attached));
  // One setting is for all programs of a unit: where they differ in their profiles none would be right.
  return attached === undefined || others.length > 0 || !LABEL.test(attached)
    ? undefined
    : `-${ours}//&${attached}`;
}

/** `unconfined` is the operator's wish, and reported as not covered. */
function named(profile: string, ours: string): string | undefined {
  const [, dash = '', name = ''] = /^(-?)(.*)$/.exec(profile) ?? [];
  if (name === 'unconfined' || !LABEL.test(name) || name.split('//&').some(isOurs))
    return undefined;
  return `${dash}${ours}//&${name}`;
}

/** Of the package's profiles that of the agent alone is stacked: a rule that cuts the agent off must do so, to be undone. */
function isOurs(component: string): boolean {
  if (component === AGENT_PROFILE) return false;
  return component === CATCH_ALL || component.startsWith(`${CATCH_ALL}-`);
}

function unitNames(root: string): readonly string[] {
  const names = UNIT_DIRS.flatMap((dir) =>
    list(join(root, dir)).filter((name) => !isAlias(join(root, dir, name), name)),
  ).map((name) => name.replace(/\.d$/, ''));
  return [...new Set(names)]
    .filter((name) => UNIT.test(name))
    .sort()
    .slice(0, MAX_UNITS);
}

/** A link to a unit of another name, which has that unit's drop-ins; or to nothing, for one that is masked. */
function isAlias(file: string, name: string): boolean {
  try {
    return basename(readlinkSync(file)) !== name;
  } catch {
    return false;
  }
}

function list(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(0, 1 << 20);
  } catch {
    return '';
  }
}

/** The unit file, then its drop-ins by name, each assignment in order; an empty one clears what came before. */
function settingsOf(root: string, unit: string): Settings {
  const main =
    UNIT_DIRS.map((dir) => read(join(root, dir, unit))).find((text) => text !== '') ?? '';
  const dropIns = new Map<string, string>();
  for (const dir of [...UNIT_DIRS].reverse()) {
    const folder = join(root, dir, `${unit}.d`);
    for (const name of list(folder)) {
      if (name.endsWith('.conf') && name !== OURS) dropIns.set(name, join(folder, name));
    }
  }
  const files = [...dropIns].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => read(file));
  return serviceSettings([main, ...files].join('\n'));
}

function serviceSettings(text: string): Settings {
  const settings = new Map<string, readonly string[]>();
  let section = '';
  for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
    section = /^\s*\[(.*)\]\s*$/.exec(line)?.[1] ?? section;
    const [, key, value = ''] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || section !== 'Service') continue;
    settings.set(key, value === '' ? [] : [...(settings.get(key) ?? []), value]);
  }
  return settings;
}

function last(settings: Settings, key: string): string | undefined {
  return settings.get(key)?.at(-1);
}

/** Of `ExecStart=` and its like; one with `+` runs with full privileges. */
function startedPrograms(settings: Settings): readonly string[] {
  return ['ExecStart', 'ExecStartPre', 'ExecStartPost', 'ExecReload']
    .flatMap((key) => settings.get(key) ?? [])
    .flatMap((command) => {
      const [, prefix = '', path] = /^([@\-:!+|]*)(\/[^\s"']+)/.exec(command) ?? [];
      return path === undefined || prefix.includes('+') ? [] : [path];
    });
}

function followed(root: string, path: string): string {
  try {
    const real = realpathSync(join(root, path));
    return root === '/' ? real : real.slice(root.length);
  } catch {
    return path;
  }
}
