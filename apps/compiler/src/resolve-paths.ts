import { lstatSync, readlinkSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

const MAX_LINKS = 40;
/** What these links say depends on who looks; the kernel judges the name as it was asked for. */
const NOT_FOLLOWED = new Set(['/proc', '/dev/fd']);

/** Our sandbox has folders of its own there (hostward-compiler.service). */
const OURS_ALONE = ['/dev/', '/proc/', '/tmp/', '/var/tmp/', '/run/'];
/** Those of them in which it hides what the host has. */
const HIDDEN = ['/dev/', '/tmp/', '/var/tmp/'];

/**
 * Spellings of a path on this host: as written, and as the kernel sees it once symlinks are followed. A path that does
 * not exist is followed as far as it does, so that a rule for a program that is installed later binds on merged /usr.
 *
 * Only links that root made count. In a directory that others can write to, whoever owns a link would say what a rule
 * means: blocked programs of his choice, or, by pointing at sshd, a rule refused as a lock-out.
 */
export function pathResolver(root: string): PathResolver {
  const links = linksOf(root, (dir) => isTrusted(root, dir));
  const walk = remembering((path) => walked(links, path));
  return {
    resolve: (path) => {
      const real = walk(path)?.real;
      return real === undefined || real === path ? [path] : [path, real];
    },
    unfollowed: (path) => walk(path)?.unfollowed,
    unseen: (path) => walk(path)?.unseen,
    seen: () => [...links.seen].sort(([, a], [, b]) => Number(a === '') - Number(b === '')),
  };
}

interface PathResolver {
  readonly resolve: (path: string) => readonly string[];
  /** The first link on the way of a path that does not count, so that the kernel may know what is named by another name. */
  readonly unfollowed: (path: string) => string | undefined;
  /** The first name on the way of a path that cannot be looked at from here, so that it may be a link. */
  readonly unseen: (path: string) => string | undefined;
  /** Where each name that was looked at led, the text of the link; empty: it was none. The links first. */
  readonly seen: () => readonly Seen[];
}

type Seen = readonly [path: string, target: string];

function walked(links: Links, path: string): Walked | undefined {
  if (path === '/' || !path.startsWith('/') || path.includes('\0')) return { real: path };
  return followed(links, posix.normalize(path));
}

/** Files of this host as the kernel names them for who opens them, whoever made the links; as far as they exist. */
export function kernelPaths(root: string): (path: string) => string {
  const links = linksOf(root, () => true);
  return remembering((path) => followed(links, path)?.real ?? path);
}

interface Walked {
  readonly real: string;
  readonly unfollowed?: string;
  readonly unseen?: string;
}

/** Undefined where links go in a circle. */
function followed(links: Links, path: string): Walked | undefined {
  const pending = partsOf(path);
  let [real, counts, count] = ['', true, 0];
  let unfollowed: string | undefined;
  let unseen: string | undefined;
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    counts &&= links.countIn(real);
    const here = `${real}/${name}`;
    const isName = name !== '..' && !NOT_FOLLOWED.has(real);
    const target = isName ? links.targetOf(here, counts) : undefined;
    if (isName && links.isHidden(here)) unseen ??= here;
    if (!counts && target !== undefined) unfollowed ??= here;
    if (!counts || target === undefined) {
      real = name === '..' ? parentOf(real) : here;
      continue;
    }
    if ((count += 1) > MAX_LINKS) return undefined;
    pending.unshift(...partsOf(target));
    if (target.startsWith('/')) real = '';
  }
  // A directory is written with its slash, and stays so.
  return {
    real: `${real}${path.endsWith('/') ? '/' : ''}` || '/',
    ...(unfollowed === undefined ? {} : { unfollowed }),
    ...(unseen === undefined ? {} : { unseen }),
  };
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function parentOf(path: string): string {
  const parent = dirname(path);
  return parent === '/' || parent === '.' ? '' : parent;
}

/** The symlinks of a host: each name is looked at once. */
interface Links {
  /** Where a symlink leads; undefined for what is none. `counts`: what becomes of it later counts too. */
  readonly targetOf: (path: string, counts: boolean) => string | undefined;
  readonly seen: ReadonlyMap<string, string>;
  /** Whether a name cannot be looked at from here. */
  readonly isHidden: (path: string) => boolean;
  /** Whether links in a directory are followed. */
  readonly countIn: (dir: string) => boolean;
}

function linksOf(root: string, countIn: (dir: string) => boolean): Links {
  const look = remembering((path) => targetOf(join(root, path)));
  const seen = new Map<string, string>();
  return {
    targetOf: (path, counts) => {
      const target = look(path);
      if (counts && target !== undefined && !OURS_ALONE.some((dir) => path.startsWith(dir)))
        seen.set(path, target);
      return target || undefined;
    },
    seen,
    isHidden: (path) => {
      const target = look(path);
      return target === undefined || (target === '' && HIDDEN.some((dir) => path.startsWith(dir)));
    },
    countIn: remembering(countIn),
  };
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

/** Empty for what is none; undefined where that cannot be told. */
function targetOf(file: string): string | undefined {
  try {
    return lstatSync(file).isSymbolicLink() ? readlinkSync(file) : '';
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(String((error as { code?: unknown }).code))
      ? ''
      : undefined;
  }
}

function remembering<T>(find: (path: string) => T): (path: string) => T {
  const known = new Map<string, T>();
  return (path) => {
    if (known.has(path)) return known.get(path) as T;
    const found = find(path);
    known.set(path, found);
    return found;
  };
}
