import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAME = /^hw-server-[a-z]+-(\d+)-/;

/**
 * Makes a directory named after this process, and removes those of processes that are gone: one that was killed
 * could not remove its own.
 */
export function temporaryDirectory(kind: 'etcd' | 'redis' | 'postgresql'): string {
  for (const name of readdirSync(tmpdir())) {
    const owner = NAME.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
  return mkdtempSync(join(tmpdir(), `hw-server-${kind}-${process.pid}-`));
}
