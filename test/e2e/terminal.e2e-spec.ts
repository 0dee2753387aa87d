import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { RunningCommand } from './support/running-command.js';
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

describe('context add', () => {
  const env = (): NodeJS.ProcessEnv => ({ XDG_CONFIG_HOME: folder });
  const file = (): string => join(folder, 'hostward', 'config.yaml');
  const session = { user: 'alice', token: 'of-a-login', expiresAt: '2099-01-01T00:00:00.000Z' };
  const local = { url: 'https://a:1', token: 'first', ca: 'a CA', dataDir: '/srv/hw', session };
  beforeEach(async () => {
    await mkdir(join(folder, 'hostward'), { recursive: true });
    await writeFile(file(), stringify({ current: 'local', contexts: { local } }));
  });
  const contexts = async (): Promise<unknown> => {
    const known = parse(await readFile(file(), 'utf8')) as { contexts: unknown };
    return known.contexts;
  };
  /** Gives the token when `meanwhile` is over. */
  const add = async (args: readonly string[], meanwhile: () => Promise<unknown>) => {
    const terminal = new Terminal(['context', 'add', ...args], env());
    await meanwhile();
    terminal.type('second\n\u0004');
    expect({ code: await terminal.ended, shown: terminal.shown }).toMatchObject({ code: 0 });
    return terminal.shown;
  };

  it('changes what is named of one, and says that a login there still counts', async () => {
    const said = await add(['local', '--url', 'https://a:1'], () => Promise.resolve());
    expect(await contexts()).toEqual({ local: { ...local, token: 'second' } });
    expect(said).toContain('the login as alice goes before its token');
  });

  it('makes one anew whose control plane is another: nothing of the old one is sent there', async () => {
    await add(['local', '--url', 'https://b:1'], () => Promise.resolve());
    expect(await contexts()).toEqual({ local: { url: 'https://b:1', token: 'second' } });
  });

  it('keeps what comes while it waits for the token', async () => {
    const other = { url: 'https://b:1', token: 'of-b' };
    await add(['third', '--url', 'https://c:1'], async () => {
      // As long as a command takes to come there.
      await RunningCommand.cli(['context', 'list'], { env: env() }).ended;
      await writeFile(file(), stringify({ current: 'local', contexts: { local, other } }));
    });
    expect(await contexts()).toEqual({
      ...{ local, other },
      third: { url: 'https://c:1', token: 'second' },
    });
  });
});
