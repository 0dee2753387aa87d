import { realpathSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

/**
 * Spellings of a path on this host: as written, and as the kernel sees it once symlinks are followed. A path that does
 * not exist is followed as far as it does, so that a rule for a program that is installed later binds on merged /usr.
 */
export function pathResolver(root: string): (path: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  return (path) => {
    const found = known.get(path) ?? spellings(root, path);
    known.set(path, found);
    return found;
  };
}

function spellings(root: string, path: string): readonly string[] {
  const real = followed(root, posix.normalize(path));
  return real === undefined || real === path ? [path] : [path, real];
}

function followed(root: string, path: string): string | undefined {
  if (path === '/' || !path.startsWith('/') || path.includes('\0')) return path;
  const real = realPath(root, path);
  if (real !== undefined) return real;
  const parent = followed(root, dirname(path));
  return parent === undefined ? undefined : join(parent, path.slice(path.lastIndexOf('/') + 1));
}

/** Undefined for what does not exist, cannot be looked at, or lies outside the root. */
function realPath(root: string, path: string): string | undefined {
  try {
    const real = realpathSync(join(root, path));
    if (root === '/') return real;
    return real.startsWith(`${root}/`) ? real.slice(root.length) : undefined;
  } catch {
    return undefined;
  }
}
