import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { type RootDocument, inspectRoot } from '#bundle';
import { runControlPlane } from '../embedded/control-plane.js';
import { CommandFailed } from '../output/errors.js';
import { handsOf } from './signing.js';

const PASSPHRASE = 'correct horse battery';

let folder: string;
let keyFile: string;
let root: RootDocument;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hw-root-key-'));
  const flags = [`--data-dir=${join(folder, 'data')}`, `--passphrase-file=${written('right')}`];
  await runControlPlane(['init', ...flags]);
  keyFile = join(folder, 'data/keys/root.key');
  const signed: unknown = JSON.parse(readFileSync(join(folder, 'data/keys/root.json'), 'utf8'));
  root = inspectRoot(signed).document;
}, 60_000);
afterEach(() => {
  delete env['CREDENTIALS_DIRECTORY'];
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, text = PASSPHRASE, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, `${text}\n`, { mode });
  return path;
}

const keyids = async (options: Parameters<typeof handsOf>[0]) =>
  (await handsOf({ keyFile, ...options })).map(({ keyid }) => keyid);

describe('the root key of `up` under a passphrase', () => {
  it('signs with the passphrase from the file by which `up` starts', async () => {
    expect(readFileSync(keyFile, 'utf8')).toContain('sealed-file');
    expect(await keyids({ passphraseFile: written('right') })).toEqual([root.root.keys[0]?.keyid]);
  });

  it('signs with the passphrase from a descriptor, and from the credential of systemd', async () => {
    const passphraseFd = openSync(written('right'), 'r');
    expect(await keyids({ passphraseFd })).toEqual([root.root.keys[0]?.keyid]);
    mkdirSync(join(folder, 'credentials'));
    written('credentials/hostward-passphrase', PASSPHRASE, 0o440);
    env['CREDENTIALS_DIRECTORY'] = join(folder, 'credentials');
    expect(await keyids({})).toEqual([root.root.keys[0]?.keyid]);
  });

  it('does not open by another one, nor by a file that others may read', async () => {
    const wrong = keyids({ passphraseFile: written('wrong', 'a guess of somebody') });
    await expect(wrong).rejects.toThrow(/wrong: does not open .*vault\.json/);
    const open = keyids({ passphraseFile: written('open', PASSPHRASE, 0o644) });
    await expect(open).rejects.toThrow(/readable by its owner only/);
    const passphraseFd = openSync(written('wrong', 'a guess of somebody'), 'r');
    await expect(keyids({ passphraseFd })).rejects.toThrow(/standard input: does not open/);
  });

  it('is refused where others may read it, or where its lock was left behind', async () => {
    const passphraseFile = written('right');
    chmodSync(keyFile, 0o640);
    await expect(keyids({ passphraseFile })).rejects.toThrow(CommandFailed);
    chmodSync(keyFile, 0o600);
    const moved = written('root.key', readFileSync(keyFile, 'utf8').trim());
    await expect(keyids({ keyFile: moved, passphraseFile })).rejects.toThrow(
      /vault\.json that belongs to it is missing/,
    );
  });
});
