import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { execPath } from 'node:process';
import { shellWord } from '#contracts';
import { cleanEnvironment } from './product.js';
import { CLI } from './running-command.js';

const TIMEOUT_MS = 180_000;

/** The built CLI at a terminal, where a person reads and types. */
export class Terminal {
  #shown = '';
  #read = 0;
  readonly #child: ChildProcessWithoutNullStreams;
  /** Its exit code. */
  readonly ended: Promise<number>;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    const line = ['exec', ...[execPath, ...CLI, ...args].map(shellWord)].join(' ');
    this.#child = spawn(
      'script',
      ['--quiet', '--return', '--flush', '--command', line, '/dev/null'],
      {
        env: { ...cleanEnvironment(), SHELL: '/bin/sh', ...env },
        timeout: TIMEOUT_MS,
      },
    );
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#shown += text));
    this.ended = once(this.#child, 'close').then(([code]) => Number(code));
  }

  /** All that it has shown. */
  get shown(): string {
    return this.#shown;
  }

  /** Waits until it shows a text behind the last one that was waited for. */
  async shows(text: string): Promise<void> {
    for (;;) {
      const at = this.#shown.indexOf(text, this.#read);
      if (at >= 0) {
        this.#read = at + text.length;
        return;
      }
      const more = once(this.#child.stdout, 'data').then(() => true);
      if (await Promise.race([more, this.ended.then(() => false)])) continue;
      throw new Error(`it ended without "${text}":\n${this.#shown}`);
    }
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }
}
