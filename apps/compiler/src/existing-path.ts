import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PROGRAM_DIRS, type ProbeWish } from '#policy-compiler';
import { kernelPaths } from './resolve-paths.js';

/** Opening a device can do something; what is private to our sandbox is not what the host has. */
const NOT_PROBED = ['/dev/', '/tmp/', '/var/tmp/', '/run/user/'];
const MAX_ENTRIES = 2000;
const MAX_DEPTH = 4;

/**
 * An existing path of the host that would show a rule's block. An exact path is taken unseen: the sandbox may hide it,
 * and the sensor, which tries it outside our profiles first, calls a missing one inconclusive.
 */
export function existingPath(root: string): (wish: ProbeWish) => string | undefined {
  const kernelPath = kernelPaths(root);
  return (wish) => {
    const found = search(root, wish, kernelPath);
    return found === undefined || NOT_PROBED.some((dir) => found.startsWith(dir))
      ? undefined
      : found;
  };
}

function search(
  root: string,
  { object, kind, matches }: ProbeWish,
  kernelPath: (path: string) => string,
): string | undefined {
  const usable = (path: string): boolean => matches(path) && isUsable(join(root, path), kind);
  // Of what a link leads to the rule may not speak: the kernel judges the target.
  const unlinked = (path: string): boolean => usable(path) && kernelPath(path) === path;
  switch (object.type) {
    case 'path':
      return object.path;
    case 'execname':
      return PROGRAM_DIRS.map((dir) => `${dir}/${object.name}`).find(usable);
    case 'directory':
      return new Walk(root, unlinked).find(
        object.dir.slice(0, -1) || '/',
        object.recursive ? MAX_DEPTH : 1,
      );
    case 'pattern':
      return new Walk(root, unlinked).find(
        object.prefix.slice(0, object.prefix.lastIndexOf('/')) || '/',
        MAX_DEPTH,
      );
  }
}

function isUsable(file: string, kind: ProbeWish['kind']): boolean {
  try {
    if (!statSync(file).isFile()) return false;
    if (kind === 'exec') accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Looks at no more than MAX_ENTRIES names: a probe is a comfort, not worth a walk through a file system. */
class Walk {
  private seen = 0;

  constructor(
    private readonly root: string,
    private readonly usable: (path: string) => boolean,
  ) {}

  find(dir: string, depth: number): string | undefined {
    const names = this.list(dir);
    const paths = names.map((name) => `${dir === '/' ? '' : dir}/${name}`);
    const hit = paths.find(this.usable);
    if (hit !== undefined || depth <= 1) return hit;
    for (const path of paths) {
      if (this.seen >= MAX_ENTRIES) return undefined;
      const deeper = this.find(path, depth - 1);
      if (deeper !== undefined) return deeper;
    }
    return undefined;
  }

  private list(dir: string): readonly string[] {
    try {
      const names = readdirSync(join(this.root, dir))
        .sort()
        .slice(0, MAX_ENTRIES - this.seen);
      this.seen += names.length;
      return names;
    } catch {
      return [];
    }
  }
}
