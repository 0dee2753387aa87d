import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { turnAt, whoseTurn } from './turn.js';

let root: string;
const git = (...args: readonly string[]): string => {
  const who = ['-c', 'user.name=of a test', '-c', 'user.email=test@example.org'];
  return execFileSync('git', ['-C', root, ...who, ...args], { encoding: 'utf8', stdio: 'pipe' });
};
const commit = (): string => git('commit', '-q', '--allow-empty', '-m', 'a change');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostward-turn-'));
  git('init', '-q', '-b', 'main');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('the turn of a commit', () => {
  it('is the one after that of the commit before, also of a merge of several', async () => {
    commit();
    const first = await turnAt(root);
    commit();
    expect(await turnAt(root)).toBe(first + 1);
    git('checkout', '-q', '-b', 'branch');
    for (let commits = 0; commits < 3; commits += 1) commit();
    git('checkout', '-q', 'main');
    git('merge', '-q', '--no-ff', '--no-edit', 'branch');
    expect(await turnAt(root)).toBe(first + 2);
  });

  it('goes by its name in a clone that knows no commit before it', async () => {
    commit();
    commit();
    const clone = join(root, 'clone');
    git('clone', '-q', '--depth', '1', `file://${root}`, clone);
    expect(await turnAt(clone)).toBe(parseInt(git('rev-parse', 'HEAD').slice(0, 12), 16));
  });

  it('is 0 where there is no commit yet, or no repository', async () => {
    expect(await turnAt(root)).toBe(0);
    rmSync(join(root, '.git'), { recursive: true });
    expect(await turnAt(root)).toBe(0);
  });

  it('comes to each of several once in as many commits', () => {
    const turns = [7, 8, 9].map((turn) => whoseTurn(['a', 'b', 'c'], turn));
    expect(turns.toSorted()).toEqual(['a', 'b', 'c']);
  });
});
