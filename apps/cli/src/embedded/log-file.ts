import { appendFileSync, renameSync, statSync } from 'node:fs';

const MAX_BYTES = 16 * 1024 * 1024;
const TAIL_CHARACTERS = 2_000;

/**
 * Where the output of a supervised program goes: bounded, with one older file beside it. A disk that is full costs
 * lines, which are counted, and never the program or its supervisor.
 */
export class LogFile {
  #bytes: number;
  #lost = 0;
  #tail = '';

  constructor(private readonly path: string) {
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  write(chunk: Buffer): void {
    this.#tail = (this.#tail + chunk.toString('utf8')).slice(-TAIL_CHARACTERS);
    try {
      if (this.#bytes + chunk.length > MAX_BYTES) this.#rotate();
      if (this.#lost > 0) this.#append(Buffer.from(`(${this.#lost} pieces of output were lost)\n`));
      this.#lost = 0;
      this.#append(chunk);
    } catch {
      this.#lost++;
    }
  }

  /** The last lines that were written since this was made, on disk or not. */
  tail(lines: number): string {
    return this.#tail.trimEnd().split('\n').slice(-lines).join('\n');
  }

  #append(chunk: Buffer): void {
    appendFileSync(this.path, chunk, { mode: 0o600 });
    this.#bytes += chunk.length;
  }

  #rotate(): void {
    renameSync(this.path, `${this.path}.1`);
    this.#bytes = 0;
  }
}
