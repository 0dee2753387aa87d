import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { compileGlob, type Glob, parseGlob } from '#policy-compiler';
import { fileVersion } from './file-version.js';

/** A program, or a pattern of programs, to which a loaded profile attaches. */
export interface Attachment {
  readonly profile: string;
  /** In AppArmor's syntax, without variables; begins with a slash. */
  readonly glob: string;
}

type SignedStatus =
  | { readonly kind: 'include'; readonly path: string }
  | {
      readonly kind: 'set';
      readonly variable: string;
      readonly adds: boolean;
      readonly values: readonly string[];
    }
  | { readonly kind: 'profile'; readonly name: string; readonly attachment: string };

const BASE = '/etc/apparmor.d';
const PROFILE_DIRS = [BASE, '/var/lib/snapd/apparmor/profiles'];
const MAX_FILES = 2000;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_ATTACHMENTS = 10_000;
const MAX_INCLUDE_DEPTH = 16;
const MAX_INCLUDED = 500;
const MAX_VALUES = 1000;
const MAX_GLOB_LENGTH = 4095;
const MAX_NESTED_VARIABLES = 32;
const MAX_ALTERNATIVES = 256;
/** What the parser leaves out of a directory as well: hidden files and what packages and editors leave behind. */
const IGNORED =
  /^\.|^README$|~$|\.dpkg-[a-z]+$|\.(?:rpmnew|rpmsave|orig|rej|pacsave|pacnew|pacorig)$/;

/**
 * Reads the profile files of a host for the programs to which the `loaded` profiles attach, because the kernel does not
 * tell: from 6.12 on it calls the attachment of a named profile `<unknown>`. A file that cannot be read or understood,
 * and a profile with a variable that is not set, are left out. Aliases are not followed.
 */
export function readAttachments(root: string, loaded: ReadonlySet<string>): readonly Attachment[] {
  const files = new ProfileFiles(root);
  const found = new Map<string, Attachment>();
  for (const path of files.topLevel()) {
    for (const attachment of attachmentsIn(files, path, loaded)) {
      if (found.size >= MAX_ATTACHMENTS) return [...found.values()];
      found.set(`${attachment.profile}\0${attachment.glob}`, attachment);
    }
  }
  return [...found.values()];
}

/**
 * Names of the profiles that attach to a program, of those that match only the most specific as the kernel prefers them:
 * an exact path, then the longest text before the first wildcard. More than one where they tie.
 */
export function attachedTo(attachments: readonly Attachment[], path: string): string[] {
  const weights = attachments.map((attachment) => matcherOf(attachment)(path));
  const best = weights.reduce((most, weight) => Math.max(most, weight), NO_MATCH);
  if (best === NO_MATCH) return [];
  const names = attachments.filter((_, at) => weights[at] === best).map(({ profile }) => profile);
  return [...new Set(names)];
}

type Matcher = (path: string) => number;
const NO_MATCH = -1;
const matchers = new WeakMap<Attachment, Matcher>();

function matcherOf(attachment: Attachment): Matcher {
  const known = matchers.get(attachment);
  if (known !== undefined) return known;
  const matcher = makeMatcher(attachment.glob);
  matchers.set(attachment, matcher);
  return matcher;
}

/** A glob that compileGlob refuses matches nothing: the parser refuses nearly all of those too. */
function makeMatcher(source: string): Matcher {
  try {
    const glob = parseGlob(source);
    const matches = compileGlob(glob);
    const parts = alternatives(glob).map((part) => ({
      matches: compileGlob(part),
      weight: specificity(part),
    }));
    const least = specificity(glob);
    return (path) =>
      matches(path)
        ? parts.reduce((most, part) => Math.max(most, part.matches(path) ? part.weight : 0), least)
        : NO_MATCH;
  } catch {
    return () => NO_MATCH;
  }
}

function alternatives(glob: Glob): readonly Glob[] {
  const at = glob.findIndex(({ type }) => type === 'group');
  const group = glob[at];
  if (group?.type !== 'group') return [glob];
  const expanded: Glob[] = [];
  for (const part of group.alternatives) {
    expanded.push(...alternatives([...glob.slice(0, at), ...part, ...glob.slice(at + 1)]));
    if (expanded.length > MAX_ALTERNATIVES) return [glob];
  }
  return expanded;
}

function specificity(glob: Glob): number {
  let length = 0;
  for (const token of glob) {
    if (token.type !== 'text') return length;
    length += token.text.length;
  }
  return Infinity;
}

function attachmentsIn(
  files: ProfileFiles,
  path: string,
  loaded: ReadonlySet<string>,
): readonly Attachment[] {
  try {
    return attachmentsOf(files.withIncludes(path), loaded);
  } catch {
    return [];
  }
}

function attachmentsOf(
  signedStatuses: readonly SignedStatus[],
  loaded: ReadonlySet<string>,
): readonly Attachment[] {
  const variables = new Variables(signedStatuses);
  return signedStatuses.flatMap((signedStatus) => {
    if (signedStatus.kind !== 'profile') return [];
    // `a//b` is a child of `a`, which is entered from its parent only.
    const isTopLevel = (name: string): boolean => loaded.has(name) && !name.includes('//');
    const profile = variables.namesFrom(signedStatus.name).find(isTopLevel);
    if (profile === undefined) return [];
    return globsOf(signedStatus.attachment, variables).map((glob) => ({ profile, glob }));
  });
}

function globsOf(attachment: string, variables: Variables): readonly string[] {
  const globs = variables.expand(attachment) ?? [];
  return globs
    .flatMap(withLeadingSlash)
    .filter((glob) => glob.startsWith('/'))
    .map((glob) => glob.replace(/\/{2,}/g, '/'));
}

/** A value such as `{/a,/b}` gives globs that begin with a brace; ours begin with a slash. */
function withLeadingSlash(glob: string): readonly string[] {
  const end = closingBrace(glob);
  if (end === undefined) return [glob];
  return splitAlternatives(glob.slice(1, end)).map((part) => part + glob.slice(end + 1));
}

function closingBrace(glob: string): number | undefined {
  if (!glob.startsWith('{')) return undefined;
  let depth = 0;
  for (const { 0: mark, index } of glob.matchAll(/\\.|[{}]/g)) {
    depth += braceStep(mark);
    if (depth === 0) return index;
  }
  return undefined;
}

function splitAlternatives(inside: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (const { 0: mark, index } of inside.matchAll(/\\.|[{},]/g)) {
    depth += braceStep(mark);
    if (mark !== ',' || depth > 0) continue;
    parts.push(inside.slice(start, index));
    start = index + 1;
  }
  return [...parts, inside.slice(start)];
}

function braceStep(mark: string): number {
  if (mark === '{') return 1;
  return mark === '}' ? -1 : 0;
}

/** The variables of one profile file and its includes. */
class Variables {
  private readonly declared = new Map<string, readonly string[]>();
  /** What a variable expands to; undefined while it is worked out, so that a cycle ends, and where it cannot be. */
  private readonly expanded = new Map<string, readonly string[] | undefined>();

  constructor(signedStatuses: readonly SignedStatus[]) {
    for (const signedStatus of signedStatuses) {
      if (signedStatus.kind !== 'set') continue;
      const before = signedStatus.adds ? (this.declared.get(signedStatus.variable) ?? []) : [];
      this.declared.set(signedStatus.variable, [...before, ...signedStatus.values]);
    }
  }

  /** One text for each combination of values; undefined for a variable that is not set, and for too many. */
  expand(text: string, depth = 0): readonly string[] | undefined {
    let texts: readonly string[] = [''];
    for (const [at, part] of text.split(/@\{([^{}]*)\}/).entries()) {
      const values = at % 2 === 0 ? [part] : this.valuesOf(part, depth + 1);
      if (values === undefined || texts.length * values.length > MAX_VALUES) return undefined;
      texts = texts.flatMap((before) => values.map((value) => before + value));
      if (texts.some(({ length }) => length > MAX_GLOB_LENGTH)) return undefined;
    }
    return texts;
  }

  /** Names that the parser may have made: several values become `{a,b}`, in an order that depends on its version. */
  namesFrom(text: string): readonly string[] {
    const texts = this.expand(text) ?? [];
    if (texts.length < 2) return texts;
    return [this.asAlternation(text, false), this.asAlternation(text, true)];
  }

  private asAlternation(text: string, reversed: boolean): string {
    return text.replace(/@\{([^{}]*)\}(\/?)/g, (_, variable: string, slash: string) => {
      const values = [...(this.valuesOf(variable, 1) ?? [])];
      if (values.length < 2) return values.join('') + slash;
      if (reversed) values.reverse();
      const trimmed = values.map((value) => (slash === '' ? value : value.replace(/\/$/, '')));
      return `{${trimmed.join(',')}}${slash}`;
    });
  }

  private valuesOf(variable: string, depth: number): readonly string[] | undefined {
    if (this.expanded.has(variable)) return this.expanded.get(variable);
    const declared = this.declared.get(variable);
    if (declared === undefined || depth > MAX_NESTED_VARIABLES) return undefined;
    this.expanded.set(variable, undefined);
    const lists = declared.map((value) => this.expand(value, depth));
    const all = lists.every((list) => list !== undefined) ? lists.flat() : undefined;
    this.expanded.set(variable, all);
    return all;
  }
}

/** What files said when they were read last, by path: few change between two compilations. */
const remembered = new Map<
  string,
  { readonly version: string; readonly said: readonly SignedStatus[] }
>();

/** The files of a host, each read and parsed once. Paths are those of the host, without the root. */
class ProfileFiles {
  private readonly parsed = new Map<string, readonly SignedStatus[]>();
  private readonly kinds = new Map<string, 'file' | 'directory' | undefined>();

  constructor(private readonly root: string) {}

  topLevel(): readonly string[] {
    const disabled = new Set(this.names(`${BASE}/disable`));
    return PROFILE_DIRS.flatMap((dir) =>
      this.names(dir)
        .filter((name) => dir !== BASE || !disabled.has(name))
        .map((name) => `${dir}/${name}`),
    ).filter((path) => this.kindOf(path) === 'file');
  }

  /** Signed statuses of a file, with those of included files where they are included; each file once, so that cycles end. */
  withIncludes(path: string, seen = new Set<string>(), depth = 0): readonly SignedStatus[] {
    if (seen.has(path) || seen.size > MAX_INCLUDED || depth > MAX_INCLUDE_DEPTH) return [];
    seen.add(path);
    return this.signedStatuses(path).flatMap((signedStatus) =>
      signedStatus.kind === 'include'
        ? this.included(signedStatus.path).flatMap((file) =>
            this.withIncludes(file, seen, depth + 1),
          )
        : [signedStatus],
    );
  }

  private included(written: string): readonly string[] {
    const path = posix.resolve(BASE, written);
    if (!path.startsWith(`${BASE}/`)) return [];
    if (this.kindOf(path) !== 'directory') return [path];
    return this.names(path).map((name) => `${path}/${name}`);
  }

  private signedStatuses(path: string): readonly SignedStatus[] {
    const known = this.parsed.get(path);
    if (known !== undefined) return known;
    if (this.parsed.size >= MAX_FILES) return [];
    const signedStatuses = this.read(path);
    this.parsed.set(path, signedStatuses);
    return signedStatuses;
  }

  private read(path: string): readonly SignedStatus[] {
    const file = join(this.root, path);
    if (this.kindOf(path) !== 'file') return [];
    const version = fileVersion(file);
    const known = remembered.get(file);
    if (version !== undefined && known?.version === version) return known.said;
    const said = new ProfileScanner(readText(file)).signedStatuses();
    if (remembered.size >= MAX_FILES) remembered.clear();
    if (version !== undefined) remembered.set(file, { version, said });
    return said;
  }

  private names(dir: string): readonly string[] {
    try {
      const names = readdirSync(join(this.root, dir)).filter((name) => !IGNORED.test(name));
      return names.sort().slice(0, MAX_FILES);
    } catch {
      return [];
    }
  }

  private kindOf(path: string): 'file' | 'directory' | undefined {
    if (!this.kinds.has(path)) this.kinds.set(path, kindOf(join(this.root, path)));
    return this.kinds.get(path);
  }
}

/** A pipe or device is neither: reading one could wait for ever. */
function kindOf(file: string): 'file' | 'directory' | undefined {
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) return 'directory';
    return stat.isFile() && stat.size <= MAX_FILE_BYTES ? 'file' : undefined;
  } catch {
    return undefined;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const BLANK = /\s+|#[^\n]*/y;
const INCLUDE =
  /#?include(?:[ \t]+if[ \t]+exists)?[ \t]+(?:<([^>\n]*)>|"([^"\n]*)"|([^\s"<{]\S*))/y;
const ASSIGNMENT = /@\{([^{}\s]+)\}[ \t]*(\+?=)((?:\\\r?\n|[^\n])*)/y;
/** Booleans, and signed statuses that end in a comma. */
const OTHER_PREAMBLE = /\$\{?\w+\}?[ \t]*=[^\n]*|(?:abi|alias)[ \t][^\n]*?,(?=[\s#]|$)/y;
const QUOTED = /"((?:\\.|[^"\\\n])*)"/y;
/** A `#` inside a word belongs to it, except after what ends a rule or a block: there it begins a comment. */
const PLAIN = /(?:\\.|[^\s\\"#]|(?<![,{}])#|#(?=[^\s{]*\}))+|\S/y;
const PATH_LIKE = /^(?:\/|@\{)/;

/** Finds what stands outside the blocks of a profile file: profile headers, variables and includes. */
class ProfileScanner {
  private at = 0;
  private depth = 0;
  private header: string[] = [];
  private readonly found: SignedStatus[] = [];

  constructor(private readonly text: string) {}

  signedStatuses(): readonly SignedStatus[] {
    while (this.at < this.text.length) this.step();
    return this.found;
  }

  private step(): void {
    if (this.header.length === 0 && this.include()) return;
    if (this.take(BLANK) !== undefined) return;
    if (this.header.length === 0 && this.depth === 0 && this.preamble()) return;
    const quoted = this.take(QUOTED)?.[1];
    if (quoted !== undefined) this.word(quoted.replace(/\\"/g, '"'));
    else this.plain(this.take(PLAIN)?.[0] ?? '');
  }

  private include(): boolean {
    const match = this.take(INCLUDE);
    if (match === undefined) return false;
    const path = match[1] ?? match[2] ?? match[3] ?? '';
    if (this.depth === 0) this.found.push({ kind: 'include', path });
    return true;
  }

  private preamble(): boolean {
    if (this.take(OTHER_PREAMBLE) !== undefined) return true;
    const [, variable, operator, values] = this.take(ASSIGNMENT) ?? [];
    if (variable === undefined) return false;
    const adds = operator === '+=';
    this.found.push({ kind: 'set', variable, adds, values: valuesIn(values ?? '') });
    return true;
  }

  /** A brace that the word itself does not balance begins or ends a block; the others belong to a glob. */
  private plain(word: string): void {
    const balance = braceBalance(word);
    if (word === '{}') return this.emptyBlock();
    if (balance > 0 && word.endsWith('{')) this.word(word.slice(0, -balance));
    if (balance > 0 && /^\{|\{$/.test(word)) this.open(balance);
    else if (balance < 0 && /(?:^|,)\}+$/.test(word))
      this.depth = Math.max(0, this.depth + balance);
    else this.word(word);
  }

  private emptyBlock(): void {
    if (this.depth === 0) this.endHeader();
  }

  private open(blocks: number): void {
    if (this.depth === 0) this.endHeader();
    this.depth += blocks;
  }

  private endHeader(): void {
    const profile = profileOf(this.header);
    if (profile !== undefined) this.found.push(profile);
    this.header = [];
  }

  private word(word: string): void {
    if (this.depth === 0 && word !== '') this.header.push(word);
  }

  private take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text) ?? undefined;
    if (match !== undefined) this.at = pattern.lastIndex;
    return match;
  }
}

/** Without the braces that are escaped or in brackets. */
function braceBalance(word: string): number {
  if (!/[{}]/.test(word)) return 0;
  const bare = word.replace(/\\.|\[[^\]]*\]/g, '');
  return bare.split('{').length - bare.split('}').length;
}

function valuesIn(line: string): readonly string[] {
  const values: string[] = [];
  const words = line.replace(/\\\r?\n/g, ' ').matchAll(/"((?:\\.|[^"\\])*)"|((?:\\.|[^\s"\\])+)/g);
  for (const [, quoted, plain] of words) {
    if (plain?.startsWith('#')) break;
    values.push(plain ?? quoted?.replace(/\\"/g, '"') ?? '');
  }
  return values;
}

/** `[profile] NAME [ATTACHMENT] …`; undefined for what attaches to nothing. */
function profileOf(header: readonly string[]): SignedStatus | undefined {
  const isNamed = header[0] === 'profile';
  const [name, second = ''] = isNamed ? header.slice(1) : header;
  if (name === undefined || !(isNamed || PATH_LIKE.test(name))) return undefined;
  const attachment = PATH_LIKE.test(second) ? second : name;
  return PATH_LIKE.test(attachment) ? { kind: 'profile', name, attachment } : undefined;
}
