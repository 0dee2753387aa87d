import { posix } from 'node:path';
import type { PathMatch } from '#policy-model';
import {
  compileGlob,
  escapeGlob,
  type Glob,
  GlobError,
  literalPrefix,
  parseGlob,
  printGlob,
  textProblem,
} from './glob.js';
import { resolvedPattern } from './resolve.js';

/** A rule's object in one resolved spelling. `size` orders specificity among directories. */
export type PathObject =
  | { readonly type: 'exact'; readonly path: string }
  | { readonly type: 'execname'; readonly name: string }
  | { readonly type: 'directory'; readonly dir: string; readonly recursive: boolean }
  | { readonly type: 'pattern'; readonly glob: Glob };

type Resolve = (path: string) => readonly string[];

/** The objects to write for a match, one a spelling. @throws GlobError when it cannot be written */
export function objectsOf(match: PathMatch, resolve: Resolve): readonly PathObject[] {
  switch (match.type) {
    case 'path':
      return spellings(match.path, resolve).map((path) => ({ type: 'exact', path }));
    case 'execname':
      return [{ type: 'execname', name: checkedName(match.name) }];
    case 'directory':
      return directorySpellings(match.dir, resolve).map((dir) => ({
        type: 'directory',
        dir,
        recursive: match.recursive,
      }));
    case 'pattern':
      return resolvedPattern(parseGlob(match.pattern), resolve).map((glob) => ({
        type: 'pattern',
        glob,
      }));
  }
}

/** A program by link as an object that weighs what the match does. */
export function linkedObject(match: PathMatch, path: string): PathObject {
  return match.type === 'pattern'
    ? { type: 'pattern', glob: parseGlob(escapeGlob(path)) }
    : { type: 'exact', path };
}

/** Where programs are looked for by name. */
export const PROGRAM_DIRS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];
/** Other names of some of these on merged /usr. */
const MERGED_DIRS = ['/sbin', '/bin'];

/**
 * Programs that an execname, or a pattern that ends in a name, means by a link alone, as in all folders that of `vi`: the
 * kernel judges those. What a link leads to is no text of the policy's: what cannot be written is left out.
 */
export function programsByLink(match: PathMatch, resolve: Resolve): readonly string[] {
  if (match.type === 'execname') {
    const isOther = (path: string): boolean => posix.basename(path) !== match.name;
    return programs(PROGRAM_DIRS, match.name, resolve).filter(isOther);
  }
  if (match.type !== 'pattern') return [];
  const globs = resolvedPattern(parseGlob(match.pattern), resolve);
  const last = globs[0]?.at(-1);
  if (last?.type !== 'text' || !last.text.includes('/')) return [];
  const matchers = globs.map((glob) => compileGlob(printGlob(glob)));
  const isNamed = (path: string): boolean => matchers.some((matches) => matches(path));
  const name = posix.basename(last.text);
  const dirs = [...PROGRAM_DIRS, ...MERGED_DIRS].filter((dir) => isNamed(`${dir}/${name}`));
  return programs(dirs, name, resolve).filter((path) => !isNamed(path));
}

function programs(dirs: readonly string[], name: string, resolve: Resolve): readonly string[] {
  if (name === '.' || name === '..') return [];
  const paths = dirs.flatMap((dir) => resolve(`${dir}/${name}`).at(-1) ?? []);
  return [...new Set(paths)].filter((path) => textProblem(path) === undefined);
}

function spellings(path: string, resolve: Resolve): readonly string[] {
  const plain = canonical(path);
  const found = resolve(plain).map(canonical);
  return [...new Set(found.length > 0 ? found : [plain])];
}

function directorySpellings(dir: string, resolve: Resolve): readonly string[] {
  const bare = canonical(dir).replace(/(?<=.)\/$/, '');
  return spellings(bare, resolve).map((path) => (path === '/' ? '/' : `${path}/`));
}

function canonical(path: string): string {
  const problem = textProblem(path);
  if (problem !== undefined) throw new GlobError(problem);
  return posix.normalize(path).replace(/^\/\//, '/');
}

function checkedName(name: string): string {
  const problem = textProblem(`/${name}`);
  if (problem !== undefined || name.includes('/')) throw new GlobError(problem ?? 'has a slash');
  return name;
}

/** Its text in AppArmor's language. A directory covers itself too, so that it cannot be renamed or listed. */
export function globOf(object: PathObject): string {
  switch (object.type) {
    case 'exact':
      return escapeGlob(object.path);
    case 'execname':
      return `/{,**/}${escapeGlob(object.name)}`;
    case 'directory':
      return `${escapeGlob(object.dir)}${object.recursive ? '{,**}' : '{,*}'}`;
    case 'pattern':
      return printGlob(object.glob);
  }
}

/** Matcher without a regular expression where none is needed: large rule sets are evaluated often. */
export function matcherOf(object: PathObject): (path: string) => boolean {
  switch (object.type) {
    case 'exact':
      return (path) => path === object.path;
    case 'execname':
      return (path) => path.endsWith(`/${object.name}`);
    case 'directory':
      return directoryMatcher(object.dir, object.recursive);
    case 'pattern':
      return compileGlob(object.glob);
  }
}

function directoryMatcher(dir: string, recursive: boolean): (path: string) => boolean {
  return (path) => path.startsWith(dir) && (recursive || path.indexOf('/', dir.length) < 0);
}

/** Whether every path of `inner` is one of `outer`; may say false where that is hard to see. */
export function covers(outer: PathObject, inner: PathObject): boolean {
  if (inner.type === 'exact') return matcherOf(outer)(inner.path);
  if (outer.type === 'execname') return inner.type === 'execname' && inner.name === outer.name;
  if (outer.type === 'pattern') return coversAll(outer.glob, inner);
  if (outer.type !== 'directory') return false;
  if (!outer.recursive)
    return inner.type === 'directory' && !inner.recursive && inner.dir === outer.dir;
  return prefixOf(inner).startsWith(outer.dir);
}

/** The same pattern, or all that begins with a text: but not what ends in its slash, which no star behind that is. */
function coversAll(outer: Glob, inner: PathObject): boolean {
  if (inner.type === 'pattern' && printGlob(inner.glob) === printGlob(outer)) return true;
  const [first, second, ...rest] = outer;
  if (first?.type !== 'text' || second?.type !== 'globstar' || rest.length > 0) return false;
  const prefix = prefixOf(inner);
  return prefix.startsWith(first.text) && prefix.length > first.text.length;
}

/** Whether a path may be in both; may say true where that is hard to see. */
export function mayOverlap(a: PathObject, b: PathObject): boolean {
  if (a.type === 'exact') return matcherOf(b)(a.path);
  if (b.type === 'exact') return matcherOf(a)(b.path);
  if (a.type === 'execname' && b.type === 'execname') return a.name === b.name;
  if (a.type === 'directory' && b.type === 'directory') return directoriesOverlap(a, b);
  const [left, right] = [prefixOf(a), prefixOf(b)];
  return left.startsWith(right) || right.startsWith(left);
}

type Directory = Extract<PathObject, { type: 'directory' }>;

function directoriesOverlap(a: Directory, b: Directory): boolean {
  if (a.dir === b.dir) return true;
  return (a.recursive && b.dir.startsWith(a.dir)) || (b.recursive && a.dir.startsWith(b.dir));
}

/** Every path of the object begins with it. */
export function prefixOf(object: PathObject): string {
  switch (object.type) {
    case 'exact':
      return object.path;
    case 'execname':
      return '/';
    case 'directory':
      return object.dir;
    case 'pattern':
      return literalPrefix(object.glob);
  }
}

/** Globs of the paths that are in both, or undefined where AppArmor's language has no word for that. */
export function intersection(a: PathObject, b: PathObject): readonly string[] | undefined {
  if (!mayOverlap(a, b)) return [];
  if (covers(a, b)) return [globOf(b)];
  if (covers(b, a)) return [globOf(a)];
  if (a.type === 'directory' && b.type === 'execname') return [programsIn(a, b.name)];
  if (b.type === 'directory' && a.type === 'execname') return [programsIn(b, a.name)];
  return undefined;
}

function programsIn(directory: Directory, name: string): string {
  return `${escapeGlob(directory.dir)}${directory.recursive ? '{,**/}' : ''}${escapeGlob(name)}`;
}
