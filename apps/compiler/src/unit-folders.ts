import { type Dirent, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * In systemd's order: what comes first hides the same name in the others. Mirror: libs/sensor/native/src/context.c,
 * which has a rule set compiled anew when they change.
 */
const UNIT_DIRS = [
  'run/systemd/generator.early',
  'etc/systemd/system',
  'run/systemd/system',
  'run/systemd/generator',
  'usr/local/lib/systemd/system',
  'usr/lib/systemd/system',
  'run/systemd/generator.late',
];

/**
 * The folders of unit files of a host, each listed once: a unit may have its file and its drop-ins in dozens of places,
 * nearly all of which are not there.
 */
export class UnitFolders {
  private readonly dirs: readonly (readonly [dir: string, names: ReadonlySet<string>])[];
  private readonly own: readonly string[];
  private readonly listed = new Map<string, readonly string[]>();
  /** Files and folders that are there and closed to us. */
  readonly hidden = new Set<string>();

  constructor(root: string) {
    const dirs = UNIT_DIRS.map((dir) => join(root, dir));
    const entries = dirs.map((dir) => this.entriesOf(dir));
    this.dirs = dirs.map((dir, at) => [dir, new Set(entries[at]?.map(({ name }) => name))]);
    this.own = entries.flat().flatMap((entry) => (isAlias(entry) ? [] : [entry.name]));
  }

  /** What there is, also more than once; links to a unit of another name apart. */
  names(): readonly string[] {
    return this.own;
  }

  /** Paths of what has one of these names: by folder, in each by name. */
  find(names: readonly string[]): string[] {
    return this.dirs.flatMap(([dir, present]) =>
      names.filter((name) => present.has(name)).map((name) => join(dir, name)),
    );
  }

  /** Names in a folder; none where it cannot be read. */
  list(folder: string): readonly string[] {
    const known = this.listed.get(folder);
    if (known !== undefined) return known;
    const names = this.entriesOf(folder).map(({ name }) => name);
    this.listed.set(folder, names);
    return names;
  }

  /** The text of a file; empty where it cannot be read. */
  read(file: string): string {
    try {
      return readFileSync(file, 'utf8').slice(0, 1 << 20);
    } catch (cause) {
      this.miss(file, cause);
      return '';
    }
  }

  private entriesOf(dir: string): readonly Dirent[] {
    try {
      return readdirSync(dir, { withFileTypes: true });
    } catch (cause) {
      this.miss(dir, cause);
      return [];
    }
  }

  private miss(path: string, cause: unknown): void {
    if ((cause as { code?: unknown }).code === 'EACCES') this.hidden.add(path);
  }
}

/** A link to a unit of another name, which has that unit's drop-ins; or to nothing, for one that is masked. */
function isAlias(entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return false;
  try {
    return basename(readlinkSync(join(entry.parentPath, entry.name))) !== entry.name;
  } catch {
    return false;
  }
}
