import { fstatSync, writeSync } from 'node:fs';
import { stdout } from 'node:process';

let isNeeded = true;

/** From now on this process goes on where nobody takes what it prints: others depend on that it runs. */
export function goOnUnread(): void {
  isNeeded = false;
}

/** Whether what it prints is what it is for. */
export function endsUnread(): boolean {
  return isNeeded;
}

/**
 * A file as standard output takes all that is printed, or it is an error: Node passes over that a disk which fills takes
 * a part.
 */
export function writesWhole(): void {
  if (!isFile(stdout.fd)) return;
  stdout._write = (chunk: Uint8Array, _encoding, done) => {
    try {
      for (let at = 0; at < chunk.length;) at += writeSync(stdout.fd, chunk, at);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
}

/** No faster than the reader reads; one that has gone away ends the command, as main.ts has it. */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}
