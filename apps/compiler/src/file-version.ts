import { statSync } from 'node:fs';

/**
 * What tells a file from what was at its path before: it changes whenever content, links or mode do, since each moves
 * the time of the inode's own change, which nobody can set. Undefined where there is nothing.
 */
export function fileVersion(path: string): string | undefined {
  try {
    const { dev, ino, size, ctimeNs } = statSync(path, { bigint: true });
    return [path, dev, ino, size, ctimeNs].join(' ');
  } catch {
    return undefined;
  }
}
