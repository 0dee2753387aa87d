import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PARSER = '/usr/sbin/apparmor_parser';
const FEATURES = ['/usr/share/apparmor-features/features', '/etc/apparmor.d/abi/4.0'];

export interface ParserRun {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
  readonly binary: Buffer;
}

/** The real parser of AppArmor on this machine, used without a kernel: it compiles for a pinned feature file. */
export class AppArmorParser {
  private constructor(readonly features: string) {}

  /** Undefined where the machine has none: the test must then skip visibly. */
  static find(): AppArmorParser | undefined {
    const features = FEATURES.find((file) => existsSync(file));
    return features !== undefined && existsSync(PARSER) ? new AppArmorParser(features) : undefined;
  }

  /** Compiles a profile file to binary policy; loads nothing. */
  compile(text: string, options: readonly string[] = []): ParserRun {
    const dir = mkdtempSync(join(tmpdir(), 'hostward-parser-'));
    try {
      const [file, output] = [join(dir, 'profile'), join(dir, 'binary')];
      writeFileSync(file, text);
      const args = [
        '-Q',
        '-K',
        '--config-file=/dev/null',
        '-M',
        this.features,
        ...options,
        '-o',
        output,
        file,
      ];
      const run = spawnSync(PARSER, args, {
        encoding: 'utf8',
        timeout: 120_000,
        maxBuffer: 1 << 28,
      });
      const ok = run.status === 0;
      const binary = ok ? readFileSync(output) : Buffer.alloc(0);
      return { ok, stdout: run.stdout, stderr: run.stderr, binary };
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  version(): string {
    return execFileSync(PARSER, ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? '';
  }

  /** The file rules of the only profile in a text, as the automaton that the kernel would run. */
  automaton(text: string): FileAutomaton {
    const run = this.compile(text, ['-D', 'dfa-states']);
    if (!run.ok) throw new Error(`apparmor_parser: ${run.stderr}\n${text}`);
    const hasAttachment = /^profile \S+ (?!flags|\{)/m.test(text);
    return FileAutomaton.parse(run.stdout + run.stderr, hasAttachment ? 1 : 0);
  }
}

const BITS: Readonly<Record<string, number>> = { x: 1, w: 2, r: 4, a: 8, l: 16, k: 32, m: 64 };
const OTHER_SHIFT = 14;
/** `{4}(0x allow/deny/…/audit/quiet)` in the list of accepting states, then `{4} perms: …` for those that lead on. */
const STATE =
  /^\{(\d+)\}(?: perms: none|(?: perms: )?\(0x ([0-9a-f]+)\/[0-9a-f]*\/[0-9a-f]*\/[0-9a-f]*\/([0-9a-f]+))/;

interface State {
  readonly allow: number;
  readonly audit: number;
  readonly next: Map<number, number>;
  readonly except: Set<number>;
  otherwise?: number;
}

/** What the parser made of a profile's file rules, read from its own dump and walked as the kernel walks it. */
export class FileAutomaton {
  private constructor(private readonly states: ReadonlyMap<number, State>) {}

  static parse(dump: string, index: number): FileAutomaton {
    const sections = dump.split(/^\{\d+\} <== .*$/m).slice(1);
    const states = new Map<number, State>();
    let current: State | undefined;
    for (const line of (sections[index] ?? '').split('\n')) {
      const head = STATE.exec(line);
      if (head) {
        const perms = { allow: hex(head[2]), audit: hex(head[3]) };
        current = { ...perms, next: new Map(), except: new Set() };
        states.set(Number(head[1]), current);
      } else if (current) readTransition(current, line);
    }
    return new FileAutomaton(states);
  }

  /** Whether a permission (one of r w a l k m x) is given on a path to the owner of the file or to others. */
  allows(path: string, perm: string, who: 'owner' | 'other'): boolean {
    const bit = bitOf(perm, who);
    const state = this.walk(path);
    if (perm === 'l' && !has(this.walk(`${path}\0/x`)?.allow, bit)) return false;
    return has(state?.allow, bit);
  }

  /** Whether a permitted access is logged. */
  audits(path: string, perm: string, who: 'owner' | 'other'): boolean {
    return has(this.walk(path)?.audit, bitOf(perm, who));
  }

  private walk(path: string): State | undefined {
    let state = this.states.get(1);
    for (const byte of Buffer.from(path, 'utf8')) {
      const target =
        state?.next.get(byte) ?? (state?.except.has(byte) ? undefined : state?.otherwise);
      state = target === undefined ? undefined : this.states.get(target);
    }
    return state;
  }
}

function bitOf(perm: string, who: 'owner' | 'other'): number {
  const bit = BITS[perm] ?? 0;
  return who === 'owner' ? bit : bit << OTHER_SHIFT;
}

function has(perms: number | undefined, bit: number): boolean {
  return ((perms ?? 0) & bit) !== 0;
}

function hex(digits: string | undefined): number {
  return digits === undefined ? 0 : parseInt(digits, 16);
}

function readTransition(state: State, line: string): void {
  const byte = /0x([0-9a-f]+) -> \{(\d+)\}/.exec(line);
  if (byte) {
    state.next.set(hex(byte[1]), Number(byte[2]));
    return;
  }
  const rest = /^ +\[(\^(.*))?\] -> \{(\d+)\}/s.exec(line);
  if (!rest) return;
  state.otherwise = Number(rest[3]);
  for (const excluded of exclusions(rest[2] ?? '')) state.except.add(excluded);
}

/** The dump writes a NUL as `\x0` and everything else as itself or escaped. */
function exclusions(text: string): readonly number[] {
  const tokens = text.match(/\\x0|\\x[0-9a-f]{2}|\\.|[^\\]/g) ?? [];
  return tokens.map((token) => {
    if (token.startsWith('\\x')) return parseInt(token.slice(2), 16);
    return token.charCodeAt(token.length - 1);
  });
}
