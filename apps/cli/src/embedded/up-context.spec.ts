import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { contextFile, readContexts, writeContexts } from '../client/context-file.js';
import { provideForToken } from './up-context.js';

const URL = 'https://127.0.0.1:7443';

let folder = '';
const before = env['XDG_CONFIG_HOME'];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-up-context-'));
  env['XDG_CONFIG_HOME'] = folder;
});
afterEach(async () => {
  if (before === undefined) delete env['XDG_CONFIG_HOME'];
  else env['XDG_CONFIG_HOME'] = before;
  await rm(folder, { recursive: true });
});

describe('before a token is made', () => {
  it('contexts are written as they are', async () => {
    await provideForToken();
    expect(await readContexts()).toEqual({ contexts: {} });
    const known = { current: 'a', contexts: { a: { url: URL, token: 't' } } };
    await writeContexts(known);
    await provideForToken();
    expect(await readContexts()).toEqual(known);
    expect(await readdir(join(folder, 'hostward'))).toEqual(['config.yaml']);
  });

  it('contexts that cannot be kept are an error', async () => {
    await writeFile(join(folder, 'hostward'), '');
    await expect(provideForToken()).rejects.toThrow(`cannot read ${contextFile()}`);
    // Not even root makes a folder there.
    env['XDG_CONFIG_HOME'] = '/sys';
    await expect(provideForToken()).rejects.toThrow(`cannot write ${contextFile()}`);
  });
});
