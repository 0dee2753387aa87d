import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { Command } from 'commander';
import { readContexts } from '../client/context-file.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { registerContext } from './context.js';
import { registerLogin } from './login.js';
import { chooseContext } from '../client/session.js';

const before = env['XDG_CONFIG_HOME'];
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-new-context-'));
  env['XDG_CONFIG_HOME'] = folder;
  chooseContext('prod');
});
afterEach(async () => {
  chooseContext(undefined);
  if (before === undefined) delete env['XDG_CONFIG_HOME'];
  else env['XDG_CONFIG_HOME'] = before;
  await rm(folder, { recursive: true });
});

/** What the call is refused for; it asks for no secret and no token before. */
async function refusal(words: readonly string[]): Promise<Error> {
  const program = new Command().exitOverride();
  registerLogin(program);
  registerContext(program);
  return program.parseAsync(words, { from: 'user' }).then(
    () => Promise.reject(new Error('was not refused')),
    (error: Error) => error,
  );
}

const LOGIN = ['login', '--user', 'alice'];
const ADD = ['context', 'add', 'prod'];

describe('a control plane that no context names yet', () => {
  it.each([
    ['login', LOGIN],
    ['context add', ADD],
  ])('is not kept by `%s` where its URL is none', async (_command, words) => {
    for (const [url, why] of [
      ['http://foo:1', '"http://foo:1" is not https://HOST:PORT'],
      ['foo', '"foo" is not https://HOST:PORT'],
      ['', '"" is not https://HOST:PORT'],
      ['https://a:1/b', '"https://a:1/b" goes on with "/b": write https://a:1; '],
      ['https://a/?b', '"https://a/?b" goes on with "/?b": write https://a; '],
      ['https://u:p@a:1', 'holds a user or a password: write https://a:1'],
    ] as const) {
      const error = await refusal([...words, '--url', url]);
      expect(error).toBeInstanceOf(UsageError);
      expect(error.message).toContain(`--url ${why}`);
    }
    expect(await readContexts()).toEqual({ contexts: {} });
  });

  it.each([
    ['login', LOGIN],
    ['context add', ADD],
  ])('is not kept by `%s` where its CA cannot be read', async (_command, words) => {
    const file = join(folder, 'ca.pem');
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    for (const [text, why] of [
      [undefined, `--ca: cannot read ${file}: ENOENT`],
      ['not a CA', `--ca: ${file} holds no certificate in PEM`],
      [broken, `--ca: ${file} holds a certificate that cannot be read`],
    ] as const) {
      if (text !== undefined) await writeFile(file, text);
      const error = await refusal([...words, '--url', 'https://a:1', '--ca', file]);
      expect(error).toBeInstanceOf(CommandFailed);
      expect(error.message).toContain(why);
    }
    expect(await readContexts()).toEqual({ contexts: {} });
  });

  it('is not kept by a login that fails: the corrected command is the first one', async () => {
    // Nothing listens there.
    const words = ['login', '--oidc', '--url', 'https://127.0.0.1:1'];
    for (const error of [await refusal(words), await refusal(words)])
      expect(error.message).toContain('cannot reach the control plane at https://127.0.0.1:1');
    expect(await readContexts()).toEqual({ contexts: {} });
  });

  it('has a CA by --url alone', async () => {
    expect((await refusal([...LOGIN, '--ca', 'x'])).message).toContain('--ca goes with --url');
  });
});

describe('a name that every object has', () => {
  it.each(['constructor', '__proto__'])('is no context: %s', async (name) => {
    const error = await refusal(['context', 'use', name]);
    expect(error.message).toBe(`there is no context "${name}"`);
  });
});
