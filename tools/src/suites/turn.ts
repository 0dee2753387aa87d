import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * By which a run takes what has its turn: the number of the commit, so that as many commits in a row as there are things
 * to take come to each once. Merges count as one. A shallow clone does not know the number, and goes by the commit's
 * name; 0 where there is no commit.
 */
export async function turnAt(root: string): Promise<number> {
  const isShallow = (await git(root, 'rev-parse', '--is-shallow-repository')) === 'true';
  return isShallow
    ? Number.parseInt(await git(root, 'rev-parse', '--short=12', 'HEAD'), 16)
    : Number(await git(root, 'rev-list', '--first-parent', '--count', 'HEAD'));
}

/** Which of these it is at this turn. */
export function whoseTurn<T>(items: readonly [T, ...T[]], turn: number): T {
  return items[turn % items.length] ?? items[0];
}

/** What it prints; nothing where it fails. */
async function git(root: string, ...args: readonly string[]): Promise<string> {
  const answer = await promisify(execFile)('git', ['-C', root, ...args], {
    timeout: 10_000,
  }).catch(() => undefined);
  return answer?.stdout.trim() ?? '';
}
