import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { generateSigningKey } from '#bundle';
import { writeContexts } from '../client/context-file.js';
import { UsageError } from '../output/errors.js';
import { rootHandsOf } from './root-key-of-up.js';

const VARIABLES = ['XDG_CONFIG_HOME', 'HOSTWARD_CONTEXT', 'HOSTWARD_URL'] as const;
const before = VARIABLES.map((name) => [name, env[name]] as const);

let folder = '';
let keyids: Readonly<Record<string, string>> = {};

/** A data folder as `up` leaves it, with the root key of its control plane; answers the key's id. */
async function dataFolder(name: string): Promise<string> {
  const keys = join(folder, name, 'control-plane', 'keys');
  await mkdir(keys, { recursive: true });
  const { keyid, privateKey } = generateSigningKey();
  await writeFile(join(keys, 'root.key'), `${privateKey}\n`, { mode: 0o600 });
  return keyid;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-root-key-of-up-'));
  for (const name of VARIABLES) delete env[name];
  env['XDG_CONFIG_HOME'] = folder;
  keyids = { a: await dataFolder('a'), b: await dataFolder('b') };
  const context = (name: string) => ({
    url: `https://${name}:1`,
    token: 't',
    dataDir: join(folder, name),
  });
  const far = { url: 'https://far:1', token: 't' };
  await writeContexts({ current: 'a', contexts: { a: context('a'), b: context('b'), far } });
});
afterEach(async () => {
  for (const [name, value] of before) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  await rm(folder, { recursive: true });
});

const signs = async (named?: string) => (await rootHandsOf({}, named)).map(({ keyid }) => keyid);

describe('the root key that signs where none is named', () => {
  it('is that of the context that commands go to: named, of the environment, or current', async () => {
    expect(await signs()).toEqual([keyids['a']]);
    expect(await signs('b')).toEqual([keyids['b']]);
    env['HOSTWARD_CONTEXT'] = 'b';
    expect(await signs()).toEqual([keyids['b']]);
    expect(await signs('a')).toEqual([keyids['a']]);
  });

  it('is none where the control plane is not one of this machine', async () => {
    await expect(signs('far')).rejects.toThrow(UsageError);
    env['HOSTWARD_URL'] = 'https://far:1';
    await expect(signs()).rejects.toThrow(/no root key is known here/);
    await expect(signs('b')).rejects.toThrow(/no root key is known here/);
  });
});
