import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A package as package-lock.json pins it. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** Used for building and testing only. */
  readonly dev: boolean;
  readonly hasInstallScript: boolean;
}

interface LockFile {
  readonly packages: Readonly<
    Record<
      string,
      { name?: string; version?: string; dev?: boolean; hasInstallScript?: boolean; link?: boolean }
    >
  >;
}

/** Everything that package-lock.json of this folder pins, the project itself left out. */
export function lockedPackages(root: string): readonly LockedPackage[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile;
  return Object.entries(lock.packages).flatMap(([path, entry]) => {
    const { name = nameIn(path), version, dev = false, hasInstallScript = false } = entry;
    return path === '' || version === undefined ? [] : [{ name, version, dev, hasInstallScript }];
  });
}

/** `node_modules/a/node_modules/@b/c` is the package `@b/c`. */
function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}
