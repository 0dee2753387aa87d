import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { Command } from 'commander';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed } from '../output/errors.js';
import { registerDelete } from './delete.js';

// Who breaks it deletes nothing of whoever runs it.
process.env['XDG_CONFIG_HOME'] = '/nonexistent';
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-delete-'));
  jest.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterAll(async () => {
  jest.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const GROUP = `apiVersion: hostward.io/v1
kind: Group
metadata:
  name: web
spec:
  selector:
    matchLabels:
      tier: web
`;

it.each(['', '# a comment\n', '---\n'])(
  'a file that holds %j is an error, and nothing of the others is deleted',
  async (text) => {
    const [full, empty] = [join(folder, 'full.yaml'), join(folder, 'empty.yaml')];
    await writeFile(full, GROUP);
    await writeFile(empty, text);
    const program = new Command().exitOverride();
    registerDelete(program);
    const asked = program.parseAsync(['delete', '-f', full, empty], { from: 'user' });
    const error = await asked.catch((each: unknown) => each);
    expect(error).toBeInstanceOf(CommandFailed);
    expect((error as Error).message).toBe(
      `${empty} holds no document that can be read; nothing was deleted`,
    );
  },
);
