import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Terminal } from './support/terminal.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-terminal-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('a new key has a passphrase that is typed twice, and shown never', async () => {
  const terminal = new Terminal(['key', 'create', 'alice'], { XDG_CONFIG_HOME: folder });
  for (const prompt of ['passphrase of the new key alice: ', 'the same again: ']) {
    await terminal.shows(prompt);
    terminal.type('correct horse\r');
  }
  expect({ code: await terminal.ended, shown: terminal.shown }).toEqual({
    code: 0,
    shown: expect.not.stringContaining('horse'),
  });
});
