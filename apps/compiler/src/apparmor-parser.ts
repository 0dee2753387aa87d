import { spawn } from 'node:child_process';
import { release } from 'node:os';
import { fileVersion } from './file-version.js';

/** What the parser made of a text: binary policy, or its own words. */
export type Parsed =
  | { readonly ok: true; readonly binary: Buffer }
  /** `stopped`: by a bound, which says nothing about the text. */
  | { readonly ok: false; readonly message: string; readonly stopped?: 'time' | 'memory' };

const MEMORY_KIB = 384 * 1024;
const MAX_BINARY_BYTES = 10 * 1024 * 1024;
const MAX_MESSAGE_CHARS = 600;
const NOBODY = 65534;

/** Bounds of time and memory are set by the shell that becomes the parser, so they hold even if we are stuck. */
const BOUNDED = 'ulimit -v "$1" && ulimit -t "$2" && shift 2 && exec "$@"';

/**
 * `apparmor_parser` as a child without privileges: text in, binary policy out, nothing loaded, no file written. The
 * host's parser.conf is not read, since what it sets would change what was compiled and tested.
 */
export class PolicyParser {
  constructor(
    private readonly program: string,
    private readonly features: string,
  ) {}

  /** What may make other policy of a text: the program, and the kernel that it is for. */
  get version(): string {
    return `${fileVersion(this.program) ?? ''} ${release()}`;
  }

  /** Compiles one profile file; never throws for a text that the parser refuses. */
  async compile(text: string, deadlineMs: number): Promise<Parsed> {
    const leftMs = deadlineMs - Date.now();
    if (leftMs <= 0) return { ok: false, message: 'no time was left to parse it', stopped: 'time' };
    const { child, exited } = this.start(leftMs);
    const [out, err] = [new Collector(MAX_BINARY_BYTES), new Collector(64 * 1024)];
    child.stdout.on('data', (chunk: Buffer) => out.add(chunk, () => child.kill('SIGKILL')));
    child.stderr.on('data', (chunk: Buffer) => err.add(chunk, () => undefined));
    child.stdin.on('error', () => undefined); // it may end before it has read everything; its exit says why
    child.stdin.end(text);
    const code = await exited;
    if (code === 0 && !out.overflowed) return { ok: true, binary: out.bytes() };
    return Date.now() < deadlineMs ? refusal(err.bytes().toString('utf8'), code) : late(leftMs);
  }

  private start(leftMs: number) {
    const seconds = Math.max(1, Math.ceil(leftMs / 1000));
    const args = ['-Q', '-K', '-S', '-j0', '--config-file=/dev/null', '-M', this.features];
    const child = spawn(
      '/bin/sh',
      ['-c', BOUNDED, 'sh', String(MEMORY_KIB), String(seconds), this.program, ...args],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
        timeout: Math.ceil(leftMs),
        killSignal: 'SIGKILL',
        cwd: '/',
        ...(process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
      },
    );
    const exited = new Promise<number | string>((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('close', (code, signal) => resolve(code ?? signal ?? 'gone'));
    });
    return { child, exited };
  }
}

class Collector {
  private readonly chunks: Buffer[] = [];
  private size = 0;
  overflowed = false;

  constructor(private readonly limit: number) {}

  add(chunk: Buffer, onOverflow: () => void): void {
    this.size += chunk.length;
    if (this.size <= this.limit) this.chunks.push(chunk);
    else {
      this.overflowed = true;
      onOverflow();
    }
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

function late(afterMs: number): Parsed {
  const message = `apparmor_parser was not done after ${(afterMs / 1000).toFixed(1)} s`;
  return { ok: false, message, stopped: 'time' };
}

/** The parser's words in one line; without any it was stopped by a bound. */
function refusal(stderr: string, code: number | string): Parsed {
  const words = stderr.trim().replace(/\s+/g, ' ').slice(0, MAX_MESSAGE_CHARS);
  if (words !== '' && typeof code === 'number') return { ok: false, message: words };
  const message = `apparmor_parser was stopped (${code}): out of memory, or over 10 MiB of policy`;
  return { ok: false, message, stopped: 'memory' };
}

/**
 * Whether rule priorities work as the compiler needs them: each permission by itself. Found by comparing two profiles
 * that then mean the same; a version number does not tell (4.1 betas differ).
 */
export async function hasPriorities(parser: PolicyParser, deadlineMs: number): Promise<boolean> {
  const profile = (rules: string): string => `profile probe {\n  /** rwk,\n  ${rules}\n}\n`;
  const [ordered, plain] = await Promise.all([
    parser.compile(profile('audit deny /a wk,\n  priority=10 /a w,'), deadlineMs),
    parser.compile(profile('audit deny /a k,'), deadlineMs),
  ]);
  return ordered.ok && plain.ok && ordered.binary.equals(plain.binary);
}
