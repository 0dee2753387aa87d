/**
 * Unit files as systemd reads them (systemd.syntax(7), systemd.service(5); config-parser.c, load-fragment.c and
 * extract-word.c of systemd 257).
 */

/** What `[Service]` says, each key with its assignments in order; an empty one clears what came before. */
export type Settings = ReadonlyMap<string, readonly string[]>;

/** A command that PID 1 starts. */
export interface Command {
  /** An absolute path or a bare name, as it is written; undefined where only systemd can tell (`%i` of a template). */
  readonly program?: string;
  /** `+`: without what the unit says of its sandbox, AppArmorProfile= included. */
  readonly privileged: boolean;
  /** `-`: the unit goes on where it fails. */
  readonly mayFail: boolean;
}

/** Of a unit file and its drop-ins, in systemd's order. */
export function serviceSettings(texts: readonly string[]): Settings {
  const settings = new Map<string, readonly string[]>();
  for (const text of texts) {
    let section = '';
    for (const line of logicalLines(text)) {
      section = /^\[(.*)\]$/.exec(line)?.[1] ?? section;
      const [, key, value = ''] = /^([A-Za-z]+)\s*=\s*(.*)$/s.exec(line) ?? [];
      if (key === undefined || section !== 'Service') continue;
      settings.set(key, value === '' ? [] : [...(settings.get(key) ?? []), value]);
    }
  }
  return settings;
}

/** Lines with those that go on joined. A comment is none, also between them, and goes on nowhere. */
function logicalLines(text: string): readonly string[] {
  const lines: string[] = [];
  let begun = '';
  for (const line of text.replace(/^\ufeff/, '').split(/\r\n|[\n\r\0]/)) {
    if (/^\s*[#;]/.test(line)) continue;
    const goesOn = /(?:^|[^\\])(?:\\\\)*\\$/.test(line);
    begun += goesOn ? `${line.slice(0, -1)} ` : line;
    if (goesOn) continue;
    lines.push(begun.trim());
    begun = '';
  }
  return [...lines, begun.trim()];
}

/** Commands of one assignment, which a lone semicolon divides. What systemd refuses to read is none. */
export function commandsOf(value: string, unit: string): readonly Command[] {
  const commands: Command[] = [];
  let at = 0;
  while (at < value.length) {
    if (DIVIDES.test(value.slice(at, at + 2))) {
      at += 1 + leadingSpace(value, at + 1);
      continue;
    }
    const first = wordAt(value, at);
    if (first === undefined) break;
    let next = first.next;
    while (next < value.length && !DIVIDES.test(value.slice(next, next + 2))) {
      const word = wordAt(value, next);
      if (word === undefined) return commands;
      next = word.next;
    }
    commands.push(commandOf(first.word, unit));
    at = next;
  }
  return commands;
}

const DIVIDES = /^;(?:\s|$)/;
/** What `|` (systemd 258) has run the words: from there on the kernel judges, as for every shell. */
const SHELL = '/bin/sh';

function commandOf(word: string, unit: string): Command {
  const [, prefix = '', rest = ''] = /^([@\-:+!|]*)(.*)$/s.exec(word) ?? [];
  const flags = { privileged: prefix.includes('+'), mayFail: prefix.includes('-') };
  const program = prefix.includes('|') ? SHELL : withSpecifiers(rest, unit);
  return { ...flags, ...(program === undefined ? {} : { program }) };
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', s: ' ' },
  ...{ '\\': '\\', '"': '"', "'": "'", ';': ';' },
};
const TOKEN = /\\(?:x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8}|[0-7]{3}|.)?|./isuy;

/** The word that begins here, without quotes and escapes, and where the next one does. Undefined: a quote has no end. */
function wordAt(text: string, from: number): { word: string; next: number } | undefined {
  const bytes: Buffer[] = [];
  let quote = '';
  let at = from + leadingSpace(text, from);
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0] ?? text.charAt(at);
    if (quote === '' && /^\s$/.test(token)) break;
    at += token.length;
    if (token === quote) quote = '';
    else if (quote === '' && (token === '"' || token === "'")) quote = token;
    else bytes.push(unescaped(token));
  }
  if (quote !== '') return undefined;
  return { word: Buffer.concat(bytes).toString(), next: at + leadingSpace(text, at) };
}

function leadingSpace(text: string, at: number): number {
  return /^\s*/.exec(text.slice(at))?.[0].length ?? 0;
}

/** Escapes that systemd does not know it leaves as they are. */
function unescaped(token: string): Buffer {
  const [, kind = '', digits = ''] = /^\\([xuU]?)([\da-f]{2,8})$/i.exec(token) ?? [];
  if (digits !== '') {
    const code = Number.parseInt(digits, kind === '' ? 8 : 16);
    if (kind === 'x' || kind === '') return Buffer.from([code]);
    return Buffer.from(code > 0x10ffff ? token : String.fromCodePoint(code));
  }
  return Buffer.from(token.startsWith('\\') ? (ESCAPES[token.slice(1)] ?? token) : token);
}

/** Those that are the same for every service of PID 1. */
const SPECIFIERS: Readonly<Record<string, string>> = {
  ...{ '%': '%', t: '/run', S: '/var/lib', C: '/var/cache', L: '/var/log', E: '/etc' },
  ...{ T: '/tmp', V: '/var/tmp', h: '/root', u: 'root' },
};

/** The first word knows no variables: `${X}` is a name as any other. */
function withSpecifiers(word: string, unit: string): string | undefined {
  const name = unit.replace(/\.service$/, '');
  const [prefix = '', instance] = name.split(/@(.*)/s);
  const known = { ...SPECIFIERS, n: unit, N: name, p: prefix, i: instance ?? '' };
  const template = instance === '';
  let unknown = false;
  const expanded = word.replace(/%(.?)/gs, (written, letter: string) => {
    const value = Object.entries(known).find(([one]) => one === letter)?.[1];
    unknown ||= value === undefined || (template && 'nNi'.includes(letter));
    return value ?? written;
  });
  return unknown ? undefined : expanded;
}
