import { Readable } from 'node:stream';
import { shellWord } from '#contracts';
import { HostFailure, isFailureCode } from './failure.js';
import type { ExecOptions, ExecResult, SshSession } from './ssh-session.js';

const SHORT_MS = 30_000;
const MAX_SHOWN = 2_000;

/** How root is reached from a login. */
type Way = 'direct' | 'sudo' | 'sudo-password';

/** A POSIX shell of root on a host. Scripts are command lines there, so no secret is in one: these go by `input`. */
export class RootShell {
  private constructor(
    private readonly session: SshSession,
    private readonly way: Way,
    private readonly password: string,
  ) {}

  /** Throws HostFailure where the login is not root's and sudo does not help. */
  static async of(
    session: SshSession,
    password: string | undefined,
    signal: AbortSignal,
  ): Promise<RootShell> {
    if (session.user === 'root') return new RootShell(session, 'direct', '');
    const look = 'id -u; sudo -n true 2>/dev/null && echo free; true';
    const timing = { timeoutMs: SHORT_MS, signal };
    const { stdout } = await session.exec(`sh -c ${shellWord(look)}`, timing);
    const [uid, free] = stdout.split('\n');
    if (uid === '0') return new RootShell(session, 'direct', '');
    if (free === 'free') return new RootShell(session, 'sudo', '');
    if (password === undefined)
      throw new HostFailure(
        'sudo-failed',
        'the user is not root, and sudo wants a password or is not there',
      );
    const shell = new RootShell(session, 'sudo-password', password);
    const { code, stderr } = await shell.exec('true', timing);
    if (code === 0) return shell;
    throw new HostFailure('sudo-failed', `sudo refuses: ${shown(stderr) || `code ${code}`}`);
  }

  /** Standard output of a script that ended well; else the HostFailure that it named, or `otherwise`. */
  async run(
    script: string,
    options: ExecOptions,
    otherwise: HostFailure['code'] = 'unforeseen',
  ): Promise<string> {
    const { code, stdout, stderr } = await this.exec(script, options);
    if (code === 0) return stdout;
    const [, word = '', words = ''] = /^hostward: error ([a-z-]+): ([^]*)/m.exec(stderr) ?? [];
    if (isFailureCode(word)) throw new HostFailure(word, shown(words));
    const full = stderr.includes('No space left on device');
    throw new HostFailure(full ? 'disk-full' : otherwise, shown(stderr) || `it ended with ${code}`);
  }

  private exec(script: string, options: ExecOptions): Promise<ExecResult> {
    const command = `sh -c ${shellWord(script)}`;
    switch (this.way) {
      case 'direct':
        return this.session.exec(command, options);
      case 'sudo':
        return this.session.exec(`sudo -n -- ${command}`, options);
      case 'sudo-password':
        // -k: it asks for the password in any case, so the line is never taken for the command's input.
        return this.session.exec(`sudo -k -S -p '' -- ${command}`, {
          ...options,
          input: behind(`${this.password}\n`, options.input),
        });
    }
  }
}

/** One line, then all of the other. */
function behind(line: string, rest: Readable | string = ''): Readable | string {
  if (typeof rest === 'string') return line + rest;
  return Readable.from(
    (async function* () {
      yield Buffer.from(line);
      yield* rest as AsyncIterable<Buffer>;
    })(),
    { objectMode: false },
  );
}

function shown(text: string): string {
  const trimmed = text.trim();
  return trimmed.length > MAX_SHOWN ? `…${trimmed.slice(-MAX_SHOWN)}` : trimmed;
}
