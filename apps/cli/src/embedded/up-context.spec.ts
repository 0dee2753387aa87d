import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { createAuthority } from '#pki';
import { contextFile, readContexts, writeContexts } from '../client/context-file.js';
import type { Material } from './control-plane.js';
import { provideForToken, upContext } from './up-context.js';

const URL = 'https://127.0.0.1:7443';
const DATA = '/srv/data';
const SESSION = { user: 'alice', token: 'hws_a', expiresAt: '2030-01-01T00:00:00.000Z' };

let [old, other] = ['', ''];
let folder = '';
const before = env['XDG_CONFIG_HOME'];
beforeAll(async () => {
  const make = () => createAuthority({ name: 'ca', days: 1 });
  [old, other] = (await Promise.all([make(), make()])).map((made) => made.certificatePem) as [
    string,
    string,
  ];
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-up-context-'));
  env['XDG_CONFIG_HOME'] = folder;
});
afterEach(async () => {
  if (before === undefined) delete env['XDG_CONFIG_HOME'];
  else env['XDG_CONFIG_HOME'] = before;
  await rm(folder, { recursive: true });
});

/** The context after an `up`, where alice had logged in to the control plane of the old CA. */
async function after(ca: string, adminToken?: string) {
  const known = { url: URL, token: 'hwa_old', ca: old, dataDir: DATA, session: SESSION };
  await writeContexts({ current: 'data', contexts: { data: known } });
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, ca);
  const used = await upContext({ caFile, adminToken } as Material, URL, DATA);
  return { used: used.token, stored: (await readContexts()).contexts['data'] };
}

describe('the login in the context of an up', () => {
  it('goes on, and is not what up itself acts by', async () => {
    expect(await after(old)).toMatchObject({
      used: 'hwa_old',
      stored: { token: 'hwa_old', session: SESSION },
    });
  });

  it('goes on while the CA is being replaced', async () => {
    expect((await after(`${other}${old}`)).stored?.session).toEqual(SESSION);
  });

  it.each([
    ['another control plane is there', () => after(other)],
    ['a new admin token was made', () => after(old, 'hwa_new')],
  ])('ends where %s', async (_when, changed) => {
    expect((await changed()).stored).not.toHaveProperty('session');
  });
});

describe('where no context of this control plane is known', () => {
  const token = env['HOSTWARD_TOKEN'];
  afterEach(() => {
    if (token === undefined) delete env['HOSTWARD_TOKEN'];
    else env['HOSTWARD_TOKEN'] = token;
  });

  it.each([
    [undefined, false],
    ['', false],
    ['hwa_given', true],
  ])('a token is known by HOSTWARD_TOKEN alone: %s', async (given, knowsToken) => {
    const caFile = join(folder, 'ca.pem');
    await writeFile(caFile, old);
    delete env['HOSTWARD_TOKEN'];
    if (given !== undefined) env['HOSTWARD_TOKEN'] = given;
    const context = await upContext({ caFile } as Material, URL, DATA);
    expect(context).toMatchObject({ knowsToken });
    if (knowsToken) expect(context.token).toBe(given);
    expect(await readContexts()).toEqual({ contexts: {} });
  });
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
