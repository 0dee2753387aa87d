import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { CATCH_ALL, EXECUTOR_PROFILE } from '#policy-compiler';

/** A drop-in that the sensor writes to UNIT.d/50-hostward.conf. */
export interface DropIn {
  readonly unit: string;
  readonly content: string;
}

/** What the units of a host say that matters to profiles. */
export interface UnitFacts {
  readonly dropIns: readonly DropIn[];
  /** Programs that services start under NoNewPrivileges, symlinks followed. */
  readonly noNewPrivileges: readonly string[];
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

/** Settings that imply NoNewPrivileges for a service without CAP_SYS_ADMIN (systemd.exec(5)). */
const IMPLYING = [
  'SystemCallFilter',
  'SystemCallArchitectures',
  'RestrictAddressFamilies',
  'RestrictNamespaces',
  'RestrictRealtime',
  'RestrictSUIDSGID',
  'PrivateDevices',
  'ProtectKernelTunables',
  'ProtectKernelModules',
  'ProtectKernelLogs',
  'ProtectClock',
  'ProtectHostname',
  'MemoryDenyWriteExecute',
  'LockPersonality',
];

type Settings = ReadonlyMap<string, readonly string[]>;

/**
 * Reads the unit files of a host. `AppArmorProfile=X` gives X alone, which escapes our rules and does not start under
 * NoNewPrivileges; a drop-in that stacks X on the catch-all mends both (facts/kernel.md).
 */
export function readUnits(root: string, executor: boolean): UnitFacts {
  const ours = executor ? `${CATCH_ALL}//&${EXECUTOR_PROFILE}` : CATCH_ALL;
  const units = unitNames(root).map((unit) => ({ unit, settings: settingsOf(root, unit) }));
  const programs = units.flatMap(({ settings }) =>
    isUnderNoNewPrivileges(settings) ? startedPrograms(settings) : [],
  );
  return {
    dropIns: units.flatMap(({ unit, settings }) => dropIn(unit, settings, ours)),
    noNewPrivileges: [...new Set(programs.map((path) => followed(root, path)))].sort(),
  };
}

function unitNames(root: string): readonly string[] {
  const names = UNIT_DIRS.flatMap((dir) => list(join(root, dir))).map((name) =>
    name.replace(/\.d$/, ''),
  );
  return [...new Set(names)]
    .filter((name) => UNIT.test(name))
    .sort()
    .slice(0, MAX_UNITS);
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

/**
 * The dash says that a missing profile is no error; it stays. `unconfined` is the operator's wish and reported as not
 * covered, but under NoNewPrivileges nothing may leave a profile, and the unit starts in ours only.
 */
function dropIn(unit: string, settings: Settings, ours: string): readonly DropIn[] {
  const [, dash = '', name = ''] = /^(-?)(.*)$/.exec(last(settings, 'AppArmorProfile') ?? '') ?? [];
  if (name === '' || !LABEL.test(name) || name.split('//&').includes(CATCH_ALL)) return [];
  if (name === 'unconfined' && !isUnderNoNewPrivileges(settings)) return [];
  const label = name === 'unconfined' ? ours : `${ours}//&${name}`;
  const reason =
    '# Written by hostward: stacks the profile of the unit on ours, so that both hold.';
  return [{ unit, content: `${reason}\n[Service]\nAppArmorProfile=${dash}${label}\n` }];
}

function isUnderNoNewPrivileges(settings: Settings): boolean {
  if (isTrue(last(settings, 'NoNewPrivileges')) || isTrue(last(settings, 'DynamicUser')))
    return true;
  const user = last(settings, 'User');
  if (user === undefined || user === 'root' || user === '0') return false;
  return IMPLYING.some(
    (key) => !['no', 'false', 'off', '0', undefined].includes(last(settings, key)),
  );
}

function isTrue(value: string | undefined): boolean {
  return ['yes', 'true', 'on', '1'].includes(value ?? '');
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
