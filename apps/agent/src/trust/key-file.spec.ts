import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { keyOfFile, readIfThere } from './key-file.js';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-key-file-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a file of a host', () => {
  it('is read where it is there', async () => {
    expect(await readIfThere(at('name'))).toBeUndefined();
    await writeFile(at('name'), 'web1\n');
    expect(await readIfThere(at('name'))).toBe('web1\n');
  });

  it('is no pipe, link, folder or flood of the agent, which root would read in its folder', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    await symlink('/etc/passwd', at('link'));
    await writeFile(at('flood'), '');
    await truncate(at('flood'), 2 ** 30);
    for (const name of ['pipe', 'link', 'flood', '.'])
      await expect(readIfThere(at(name))).rejects.toThrow();
  });

  it('keeps the key that was made first', async () => {
    const make = (key: string) => keyOfFile(at('key'), { mode: 0o600 }, () => key);
    expect([await make('first'), await make('second')]).toEqual(['first', 'first']);
  });
});
