import { stderr } from 'node:process';
import { lineWidth, printable } from './printable.js';

const EVERY_MS = 10_000;

/** The part of a stream that progress needs. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * Tells how something goes on: on a terminal one line that is written anew, elsewhere a line every ten seconds, so that
 * what is over soon says nothing in a log. On standard error by default: standard output is for results.
 */
export class Progress {
  #toldAt: number;
  #onScreen = false;

  constructor(
    private readonly stream: ProgressStream = stderr,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.#toldAt = nowMs();
  }

  /** `drawn` instead of `text` on a terminal. */
  show(text: string, drawn = text): void {
    if (this.stream.isTTY) {
      const line = cut(printable(drawn), lineWidth(this.stream) - 1);
      this.stream.write(`\r${line}\u001b[K`);
      this.#onScreen = true;
    } else if (this.nowMs() - this.#toldAt >= EVERY_MS) {
      this.stream.write(`${printable(text)}\n`);
      this.#toldAt = this.nowMs();
    }
  }

  /** Takes the line off the terminal, so that what is printed next stands alone. */
  clear(): void {
    if (this.#onScreen) this.stream.write('\r\u001b[K');
    this.#onScreen = false;
  }
}

function cut(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}
