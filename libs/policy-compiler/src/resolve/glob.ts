/**
 * AppArmor's globs: read, checked, written back in one normal form that is safe to quote, and matched as the parser of
 * AppArmor 4.1 compiles them (parser_regex.c; glob.spec.ts holds both equal by walking the automaton that it dumps).
 * Matching is over bytes, as in the kernel: `?` is one byte, so a letter outside ASCII takes two.
 */
export type GlobToken =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'star' }
  | { readonly type: 'globstar' }
  | { readonly type: 'any' }
  | { readonly type: 'class'; readonly negated: boolean; readonly members: string }
  | { readonly type: 'group'; readonly alternatives: readonly Glob[] };
export type Glob = readonly GlobToken[];

/** The text is not a glob that a profile may contain; the message says why. */
export class GlobError extends Error {
  override readonly name = 'GlobError';
}

const SLASH = 0x2f;
const MAX_BYTES = 4095;
const MAX_DEPTH = 8;
const SPECIAL = /[\\"*?[\]{}^,@]/g;
const CLASS_MEMBER = /[A-Za-z0-9_.%+=:~#-]/;

/** @throws GlobError for what the parser would refuse, or would read differently from what a person means */
export function parseGlob(source: string): Glob {
  const problem = textProblem(source);
  if (problem !== undefined) throw new GlobError(problem);
  return mergeText(new GlobReader(source).read());
}

/** Why a text cannot stand in a profile as a path or glob; undefined if it can. */
export function textProblem(source: string): string | undefined {
  if (!source.startsWith('/')) return 'does not begin with a slash';
  if (/[\p{Cc}\u2028\u2029]/u.test(source)) return 'has a control character such as a newline';
  if (!source.isWellFormed()) return 'is not well-formed text';
  if (Buffer.byteLength(source) > MAX_BYTES) return `is longer than ${MAX_BYTES} bytes`;
  return undefined;
}

/** Why a pattern is not a usable glob, for a person; undefined if it is. */
export function globProblem(source: string): string | undefined {
  try {
    parseGlob(source);
    return undefined;
  } catch (error) {
    if (error instanceof GlobError) return error.message;
    throw error;
  }
}

/** A glob in AppArmor's syntax, to be put between double quotes as it is. */
export function printGlob(glob: Glob): string {
  return glob.map(printToken).join('');
}

/** Text that matches itself only. */
export function escapeGlob(text: string): string {
  return text.replace(SPECIAL, (character) => `\\${character}`);
}

/**
 * Matcher of whole paths, equal to the parser's automaton. Its time grows with the bytes of the pattern times those of
 * the path, whatever both say: others write them. It knows its last answer, since each permission of a path is asked.
 */
export function compileGlob(source: string | Glob): (path: string) => boolean {
  const glob = inBytes(typeof source === 'string' ? parseGlob(source) : source);
  let asked = '';
  let matches = false;
  return (path) => {
    if (path === asked) return matches;
    const bytes = bytesOf(path);
    asked = path;
    matches = endsOf(glob, bytes, [0], true).at(-1) === bytes.length;
    return matches;
  };
}

/** Text before the first wildcard: every match begins with it. */
export function literalPrefix(glob: Glob): string {
  const [first] = glob;
  return first?.type === 'text' ? first.text : '';
}

/** With texts that meet made one, and slashes that meet too. */
export function mergeText(glob: Glob): Glob {
  const merged: GlobToken[] = [];
  for (const token of glob) {
    const last = merged.at(-1);
    if (token.type === 'text' && last?.type === 'text') {
      merged[merged.length - 1] = { type: 'text', text: last.text + token.text };
    } else merged.push(token);
  }
  return merged.map((token) =>
    token.type === 'text' ? { type: 'text', text: token.text.replace(/\/{2,}/g, '/') } : token,
  );
}

function printToken(token: GlobToken): string {
  switch (token.type) {
    case 'text':
      return escapeGlob(token.text);
    case 'star':
      return '*';
    case 'globstar':
      return '**';
    case 'any':
      return '?';
    case 'class':
      return `[${token.negated ? '^' : ''}${token.members}]`;
    case 'group':
      return `{${token.alternatives.map(printGlob).join(',')}}`;
  }
}

function bytesOf(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

function inBytes(glob: Glob): Glob {
  return glob.map((token) => {
    if (token.type === 'text') return { type: 'text', text: bytesOf(token.text) };
    if (token.type !== 'group') return token;
    return { type: 'group', alternatives: token.alternatives.map(inBytes) };
  });
}

/** Offsets in a path, each once, ascending. */
type Offsets = readonly number[];
type Admits = (byte: number) => boolean;

/**
 * Where matches end that begin at one of `from`: all of them are followed at once, so that no pattern makes it try again.
 * `top`: the end of this sequence is the end of the pattern, where a star after a slash matches at least one byte.
 */
function endsOf(glob: Glob, path: string, from: Offsets, top: boolean): Offsets {
  let ends = from;
  for (const [at, token] of glob.entries()) {
    if (ends.length === 0) return ends;
    if (isStar(token) && isComponent(glob, at, top)) ends = afterOne(path, ends, isPlain);
    ends = afterToken(token, path, ends);
  }
  return ends;
}

function isStar({ type }: GlobToken): boolean {
  return type === 'star' || type === 'globstar';
}

function afterToken(token: GlobToken, path: string, from: Offsets): Offsets {
  switch (token.type) {
    case 'text':
      return afterText(path, from, token.text);
    case 'star':
      return afterMany(path, from, isPlain);
    case 'globstar':
      return afterMany(path, from, isSome);
    case 'any':
      return afterOne(path, from, isPlain);
    case 'class':
      return afterOne(path, from, admittedBy(token));
    case 'group':
      return afterGroup(path, from, token.alternatives);
  }
}

function isSome(byte: number): boolean {
  return byte > 0;
}

function isPlain(byte: number): boolean {
  return byte > 0 && byte !== SLASH;
}

function admittedBy({ members, negated }: Extract<GlobToken, { type: 'class' }>): Admits {
  return (byte) => isSome(byte) && isMember(members, byte) !== negated;
}

/** Of members as parseGlob leaves them: ASCII, a literal dash first, single ones or ranges. */
export function isMember(members: string, byte: number): boolean {
  for (let at = 0; at < members.length; at++) {
    const last = members.charAt(at + 1) === '-' ? at + 2 : at;
    if (byte >= members.charCodeAt(at) && byte <= members.charCodeAt(last)) return true;
    at = last;
  }
  return false;
}

function afterText(path: string, from: Offsets, text: string): Offsets {
  const ends: number[] = [];
  for (const at of from) if (path.startsWith(text, at)) ends.push(at + text.length);
  return ends;
}

function afterOne(path: string, from: Offsets, admits: Admits): Offsets {
  const ends: number[] = [];
  for (const at of from) if (admits(path.charCodeAt(at))) ends.push(at + 1);
  return ends;
}

/** Any number of bytes, none too. A beginning that an earlier one has passed ends where that one does. */
function afterMany(path: string, from: Offsets, admits: Admits): Offsets {
  const ends: number[] = [];
  let next = 0;
  for (const at of from) {
    if (at < next) continue;
    ends.push(at);
    for (next = at + 1; admits(path.charCodeAt(next - 1)); next++) ends.push(next);
  }
  return ends;
}

function afterGroup(path: string, from: Offsets, alternatives: readonly Glob[]): Offsets {
  const reached = new Uint8Array(path.length + 1);
  for (const alternative of alternatives) {
    for (const end of endsOf(alternative, path, from, false)) reached[end] = 1;
  }
  const ends: number[] = [];
  for (let at = from[0] ?? 0; at < reached.length; at++) if (reached[at] === 1) ends.push(at);
  return ends;
}

/**
 * A star that is a whole path component is not empty (`/tmp/*` does not match `/tmp/`). `top`: the sequence is not an
 * alternative of a group.
 */
export function isComponent(glob: Glob, at: number, top: boolean): boolean {
  const before = glob[at - 1];
  const after = glob[at + 1];
  const opens = before?.type === 'text' && before.text.endsWith('/');
  const closes = after === undefined ? top : after.type === 'text' && after.text.startsWith('/');
  return opens && closes;
}

class GlobReader {
  private at = 0;

  constructor(private readonly source: string) {}

  read(): Glob {
    const glob = this.sequence(0);
    if (this.at < this.source.length) throw new GlobError('closes a brace that is not open');
    return glob;
  }

  private sequence(depth: number): Glob {
    const tokens: GlobToken[] = [];
    while (this.at < this.source.length) {
      const character = this.source[this.at] ?? '';
      if (character === '}' || (character === ',' && depth > 0)) break;
      tokens.push(this.token(character, depth));
    }
    return tokens;
  }

  private token(character: string, depth: number): GlobToken {
    this.at += 1;
    switch (character) {
      case '*':
        return this.star();
      case '?':
        return { type: 'any' };
      case '[':
        return this.characterClass();
      case ']':
        throw new GlobError('closes a bracket that is not open');
      case '{':
        return this.group(depth + 1);
      case '\\':
        return this.escaped();
      case '@':
        if (this.source[this.at] === '{') throw new GlobError('uses a variable of AppArmor');
        return { type: 'text', text: '@' };
      default:
        return { type: 'text', text: character };
    }
  }

  private star(): GlobToken {
    const start = this.at;
    while (this.source[this.at] === '*') this.at += 1;
    return { type: this.at > start ? 'globstar' : 'star' };
  }

  private escaped(): GlobToken {
    const character = this.source[this.at];
    if (character === undefined) throw new GlobError('ends in a backslash');
    if (/[A-Za-z0-9]/.test(character)) {
      throw new GlobError(
        `has the escape \\${character}: a pattern is a glob, not a regular expression`,
      );
    }
    this.at += 1;
    return { type: 'text', text: character };
  }

  private characterClass(): GlobToken {
    const end = this.source.indexOf(']', this.at);
    if (end < 0) throw new GlobError('opens a bracket that is not closed');
    const inside = this.source.slice(this.at, end);
    this.at = end + 1;
    const negated = inside.startsWith('^');
    return { type: 'class', negated, members: classMembers(negated ? inside.slice(1) : inside) };
  }

  private group(depth: number): GlobToken {
    if (depth > MAX_DEPTH) throw new GlobError(`nests braces deeper than ${MAX_DEPTH}`);
    const alternatives = [mergeText(this.sequence(depth))];
    while (this.source[this.at] === ',') {
      this.at += 1;
      alternatives.push(mergeText(this.sequence(depth)));
    }
    if (this.source[this.at] !== '}') throw new GlobError('opens a brace that is not closed');
    this.at += 1;
    if (alternatives.length < 2) throw new GlobError('has a brace with a single alternative');
    return { type: 'group', alternatives };
  }
}

/** Members with a literal dash at the beginning, where the parser too reads no range. */
function classMembers(inside: string): string {
  if (inside === '') throw new GlobError('has an empty bracket');
  for (const character of inside) {
    if (!CLASS_MEMBER.test(character)) {
      throw new GlobError(`has ${JSON.stringify(character)} in a bracket`);
    }
  }
  const ranges = inside.match(/[^-]-[^-]|[^-]/g) ?? [];
  for (const range of ranges) {
    if (range.length === 3 && range.charAt(0) > range.charAt(2)) {
      throw new GlobError(`has the range ${range} the wrong way round`);
    }
  }
  const dash = inside.replace(/[^-]-[^-]/g, '').includes('-') ? '-' : '';
  return dash + ranges.join('');
}
