import { statSync } from 'node:fs';
import { join } from 'node:path';
import { AGENT_PROFILE, BLOCKED_PROFILE, CATCH_ALL, keepsOwnProfile } from '#policy-compiler';
import { kernelPaths } from './resolve-paths.js';
import { UnitFolders } from './unit-folders.js';
import { type Command, commandsOf, serviceSettings, type Settings } from './unit-file.js';

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
  /**
   * Programs that its profile is for, symlinks followed: the main one first. Undefined for one that only systemd can
   * tell.
   */
  readonly programs: readonly (string | undefined)[];
  /** Programs without which it does not start: all of `ExecStart=`, and what must succeed before and after. */
  readonly needed: readonly string[];
  /** A file or folder of it that is closed to us: there may be more to it. */
  readonly hidden?: string;
}

/** Profiles of a program: ours, which a source has to itself, and the one of others that attaches to it. */
export interface ProfilesOf {
  /** Whether a rule forbids its start: PID 1 is outside our profiles, so its unit has to. */
  readonly forbidden: (program: string) => boolean;
  readonly ours: (program: string) => string;
  readonly attached: (program: string) => string | undefined;
}

/** Where systemd finds a program by its bare name; the last two where it was built for a /usr of its own. */
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const OURS = '50-hostward.conf';
const MAX_UNITS = 5000;
/** Characters that the sensor lets into a drop-in. */
const LABEL = /^[A-Za-z0-9_.@+\-/&]+$/;
const UNIT = /^[A-Za-z0-9:_@\\-][A-Za-z0-9:_.@\\-]{0,190}\.service$/;

/** Started by PID 1, whose own profile would attach to them. */
const USER_MANAGERS = 'user@.service';

/** Reads the unit files of a host. */
export function readUnits(root: string): readonly Unit[] {
  const folders = new UnitFolders(root);
  const programs = new Programs(root);
  return unitNames(folders).map((unit) => {
    const known = folders.hidden.size;
    const settings = settingsOf(folders, unit);
    const [hidden] = [...folders.hidden].slice(known);
    const profile = last(settings, 'AppArmorProfile');
    const of = programsOf(programs, settings, commandsIn(settings, unit));
    return {
      ...{ unit, ...of },
      ...(profile === undefined ? {} : { profile }),
      ...(hidden === undefined ? {} : { hidden: hidden.slice(root.replace(/\/$/, '').length) }),
    };
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
function labelFor(
  { unit, profile, programs, needed }: Unit,
  profiles: ProfilesOf,
): string | undefined {
  const [main] = programs;
  if (needed.some(profiles.forbidden)) return BLOCKED_PROFILE;
  const ours = main === undefined ? CATCH_ALL : profiles.ours(main);
  if (profile !== undefined && profile !== '') return named(profile, ours);
  if (unit === USER_MANAGERS) return `-${CATCH_ALL}`;
  const told = programs.filter((program) => program !== undefined);
  if (told.length === 0 || told.length < programs.length || told.some(keepsOwnProfile))
    return undefined;
  const [attached, ...others] = new Set(told.map(profiles.attached));
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

function unitNames(folders: UnitFolders): readonly string[] {
  const names = folders.names().map((name) => name.replace(/\.d$/, ''));
  return [...new Set(names)]
    .filter((name) => UNIT.test(name))
    .sort()
    .slice(0, MAX_UNITS);
}

/** The unit file, then its drop-ins by name. */
function settingsOf(folders: UnitFolders, unit: string): Settings {
  const dropIns = new Map<string, string>();
  for (const folder of dropInFolders(folders, unit).reverse()) {
    for (const name of folders.list(folder)) {
      if (name.endsWith('.conf') && name !== OURS) dropIns.set(name, join(folder, name));
    }
  }
  const files = [...dropIns]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, file]) => folders.read(file));
  return serviceSettings([mainText(folders, unit), ...files]);
}

function mainText(folders: UnitFolders, unit: string): string {
  for (const file of [unit, templateOf(unit)].flatMap((name) => folders.find([name]))) {
    const text = folders.read(file);
    if (text !== '') return text;
  }
  return '';
}

/** Also those of its template, of names that begin as its own does to a dash, and of all services. The first wins. */
function dropInFolders(folders: UnitFolders, unit: string): string[] {
  const names = [unit, templateOf(unit)];
  const words = unit.replace(/(@.*)?\.service$/, '').split('-');
  for (let count = words.length - 1; count > 0; count -= 1)
    names.push(`${words.slice(0, count).join('-')}-.service`);
  return [...folders.find(names.map((name) => `${name}.d`)), ...folders.find(['service.d'])];
}

/** Of an instance; the unit itself where it is none. */
function templateOf(unit: string): string {
  return unit.replace(/@.+(?=\.service$)/, '@');
}

function last(settings: Settings, key: string): string | undefined {
  return settings.get(key)?.at(-1);
}

interface Commands {
  readonly main: readonly Command[];
  /** Before and after the main ones: where one fails, the unit does. */
  readonly around: readonly Command[];
  /** Where it fails, the service goes on. What stops a service is left out: that ends though its command failed. */
  readonly reload: readonly Command[];
}

function commandsIn(settings: Settings, unit: string): Commands {
  const of = (...keys: readonly string[]): readonly Command[] =>
    keys
      .flatMap((key) => settings.get(key) ?? [])
      .flatMap((assignment) => commandsOf(assignment, unit));
  const around = of('ExecCondition', 'ExecStartPre', 'ExecStartPost');
  return { main: of('ExecStart'), around, reload: of('ExecReload') };
}

/**
 * What the rules say of PID 1's programs its unit has to do, and that has one profile for all of them. So a unit is
 * kept from starting where it would fail if the kernel refused the program, as BPF-LSM does; its main program never
 * runs, though it says that it may fail. One with `+` does all the same, since the profile is not for it: what is kept
 * from starting is the rest. A command beside it that may fail, or one that reloads or stops a service,
 * costs no host its service: it runs (docs/reference/enforcement-limits.md).
 */
function programsOf(
  programs: Programs,
  settings: Settings,
  { main, around, reload }: Commands,
): Pick<Unit, 'programs' | 'needed'> {
  const path = (settings.get('ExecSearchPath') ?? [SEARCH_PATH]).join(':') || SEARCH_PATH;
  const found = ({ program }: Command): readonly string[] =>
    program === undefined ? [] : programs.find(program, path.split(':').filter(Boolean));
  const all = [...main, ...around, ...reload].filter(({ privileged }) => !privileged);
  const told = all.flatMap<string | undefined>((command) =>
    command.program === undefined ? [undefined] : found(command),
  );
  const needed = [...main, ...around.filter(({ mayFail }) => !mayFail)].flatMap(found);
  return { programs: [...new Set(told)], needed: [...new Set(needed)] };
}

/** The programs of a host, by the names that units have for them. */
class Programs {
  private readonly kernelPath: (path: string) => string;

  constructor(private readonly root: string) {
    this.kernelPath = kernelPaths(root);
  }

  /** One path. All that it may come to be where no folder has that name yet; none for what systemd refuses. */
  find(program: string, folders: readonly string[]): readonly string[] {
    if (program === '' || program.endsWith('/')) return [];
    if (program.startsWith('/')) return [this.kernelPath(program)];
    if (program.includes('/')) return [];
    const paths = folders.map((folder) => this.kernelPath(join(folder, program)));
    const there = paths.find((path) => isProgram(join(this.root, path)));
    return there === undefined ? paths : [there];
  }
}

function isProgram(file: string): boolean {
  try {
    const status = statSync(file);
    return status.isFile() && (status.mode & 0o111) !== 0;
  } catch {
    return false;
  }
}
