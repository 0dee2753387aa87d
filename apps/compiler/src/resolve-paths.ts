import { lstatSync, readlinkSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

const MAX_LINKS = 40;
/** What these links say depends on who looks; the kernel judges the name as it was asked for. */
const NOT_FOLLOWED = new Set(['/proc', '/dev/fd']);

/**
 * Spellings of a path on this host: as written, and as the kernel sees it once symlinks are followed. A path that does
 * not exist is followed as far as it does, so that a rule for a program that is installed later binds on merged /usr.
 *
 * Only links that root made count. In a directory that others can write to, whoever owns a link would say what a rule
 * means: blocked programs of his choice, or, by pointing at sshd, a rule refused as a lock-out.
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
  if (path === '/' || !path.startsWith('/') || path.includes('\0')) return [path];
  const real = followed(root, posix.normalize(path));
  return real === undefined || real === path ? [path] : [path, real];
}

/** A file of this host as the kernel names it for who opens it, whoever made the links; as far as it exists. */
export function kernelPath(root: string, path: string): string {
  return followed(root, path, () => true) ?? path;
}

type Trust = (root: string, dir: string) => boolean;

/** Undefined where links go in a circle. */
function followed(root: string, path: string, counts: Trust = isTrusted): string | undefined {
  const pending = partsOf(path);
  let [real, trusted, links] = ['', true, 0];
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    trusted &&= counts(root, real);
    const target = trusted && name !== '..' ? targetOf(root, `${real}/${name}`) : undefined;
    if (target === undefined) {
      real = name === '..' ? parentOf(real) : `${real}/${name}`;
      continue;
    }
    if ((links += 1) > MAX_LINKS) return undefined;
    pending.unshift(...partsOf(target));
    if (target.startsWith('/')) real = '';
  }
  // A directory is written with its slash, and stays so.
  return `${real}${path.endsWith('/') ? '/' : ''}` || '/';
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function parentOf(path: string): string {
  const parent = dirname(path);
  return parent === '/' || parent === '.' ? '' : parent;
}

/** Whether nobody but root, or who made the root of a test, can put a link into this directory. */
function isTrusted(root: string, dir: string): boolean {
  if (NOT_FOLLOWED.has(dir)) return false;
  try {
    const { uid, mode } = statSync(join(root, dir || '/'));
    return (uid === 0 || uid === statSync(root).uid) && (mode & 0o022) === 0;
  } catch {
    return false;
  }
}

function targetOf(root: string, path: string): string | undefined {
  try {
    const file = join(root, path);
    return lstatSync(file).isSymbolicLink() ? readlinkSync(file) : undefined;
  } catch {
    return undefined;
  }
}
