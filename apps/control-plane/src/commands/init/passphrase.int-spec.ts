import { X509Certificate } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, geteuid } from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigError } from '../../config/index.js';
import { loadMaterial } from '../../config/material.js';
import { readConfig } from '../../config/read-config.js';
import { isSealed } from '../../config/vault.js';
import { init } from './init.js';
import { layout, type Layout } from './layout.js';
import { parseInitOptions } from './options.js';
import { passphrase, type PassphraseFlags } from './passphrase.js';

let folder: string;
let files: Layout;
let [first, second] = ['', ''];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hw-passphrase-'));
  files = layout(join(folder, 'data'));
  [first, second] = [written('first', 'correct horse battery'), written('second', 'staple it all')];
});
afterEach(() => {
  delete env['CREDENTIALS_DIRECTORY'];
  rmSync(folder, { recursive: true, force: true });
});

function written(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, `${text}\n`, { mode });
  return path;
}

const start = (...flags: string[]) =>
  init(parseInitOptions(['--data-dir', files.dataDir, ...flags]));
/** Those of a next CA are there only while it is on its way. */
const secrets = () => files.secrets.filter((path) => existsSync(path));
const sealed = () => secrets().filter((path) => isSealed(readFileSync(path, 'utf8')));
const keyid = () => loadMaterial(readConfig(files.config)).trust.online.keyid;
const isRoot = geteuid?.() === 0;
const asRoot = isRoot ? it : it.skip;
const SKIPPED = isRoot ? '' : ' (skipped: root alone can give a folder to another user)';
const under = (file: string) => ['--passphrase-file', file];
const command = (flags: Omit<PassphraseFlags, 'dataDir'> = {}) =>
  passphrase({ dataDir: files.dataDir, ...flags });

describe('the keys of a control plane under a passphrase', () => {
  it('are sealed from the beginning where init is given one, and it starts again by it', async () => {
    await start(...under(first));
    expect(sealed()).toEqual(secrets());
    const before = keyid();
    await start(...under(first));
    expect(keyid()).toBe(before);
  });

  it('come by the credential of systemd, with no word of it in the configuration', async () => {
    written('hostward-passphrase', 'correct horse battery', 0o440);
    env['CREDENTIALS_DIRECTORY'] = folder;
    await start();
    expect(sealed()).toEqual(secrets());
    expect(readFileSync(files.config, 'utf8')).not.toContain('passphraseFile');
    expect(keyid()).toMatch(/^[0-9a-f]+$/);
  });

  it('are encrypted by the command under the credential of systemd', async () => {
    await start();
    expect(() => command()).toThrow(/--new-passphrase-file is missing.*LoadCredential/);
    written('hostward-passphrase', 'correct horse battery', 0o440);
    env['CREDENTIALS_DIRECTORY'] = folder;
    expect(command()).toEqual({ encrypted: true, changed: 10 });
    expect(sealed()).toEqual(secrets());
    await start();
  });

  asRoot(
    `are not written by root where they are another user’s, who could not read them any more${SKIPPED}`,
    async () => {
      await start();
      chownSync(files.dataDir, 65_534, 65_534);
      const refused = /the data directory is .*data: belongs to user 65534, .*runuser -u NAME/;
      expect(() => command({ newPassphraseFile: first })).toThrow(refused);
      await expect(start()).rejects.toThrow(refused);
      expect(sealed()).toEqual([]);
    },
  );

  it('end a start without it, or with another one, which names file and remedy', async () => {
    await start(...under(first));
    await expect(start()).rejects.toThrow(/must be given.*vault\.json.*--passphrase-file/);
    await expect(start(...under(second))).rejects.toThrow(/second: does not open .*vault\.json/);
    await expect(start()).rejects.toThrow(ConfigError);
  });

  it('are encrypted, put under another one and decrypted by a command, and stay the same keys', async () => {
    await start();
    const before = keyid();
    expect(command({ newPassphraseFile: first })).toEqual({ encrypted: true, changed: 10 });
    await start(...under(first));
    expect([sealed(), keyid()]).toEqual([secrets(), before]);
    command({ passphraseFile: first, newPassphraseFile: second });
    await expect(start(...under(first))).rejects.toThrow(/does not open/);
    await start(...under(second));
    expect(keyid()).toBe(before);
    expect(command({ passphraseFile: second, remove: true })).toEqual({
      encrypted: false,
      changed: 10,
    });
    await start();
    expect([sealed(), keyid(), existsSync(files.vault)]).toEqual([[], before, false]);
  });

  it('are sealed by the command where it was broken off, and not used half in clear', async () => {
    await start();
    const clear = readFileSync(files.onlineKey, 'utf8');
    command({ newPassphraseFile: first });
    writeFileSync(files.onlineKey, clear);
    await expect(start(...under(first))).rejects.toThrow(/online\.key: lies in clear/);
    expect(command({ passphraseFile: first, newPassphraseFile: first }).changed).toBe(1);
    await start(...under(first));
    expect(sealed()).toEqual(secrets());
  });

  /** As the guide says: settings of a PostgreSQL whose password is this file. */
  const storeIn = (passwordFile: string) =>
    appendFileSync(
      files.config,
      `store: { postgresql: { host: localhost, database: hostward, user: hostward, passwordFile: ${passwordFile} } }\n`,
    );
  const password = () => loadMaterial(readConfig(files.config)).postgres?.password();

  it('have the password of a PostgreSQL among them where it lies there, again where it was changed', async () => {
    await start(...under(first));
    storeIn('keys/postgresql.password');
    for (const text of ['one of a database', 'another one']) {
      writeFileSync(files.postgresqlPassword, `${text}\n`, { mode: 0o600 });
      expect(password).toThrow(/postgresql\.password: lies in clear.*`passphrase` again/);
      expect(command({ passphraseFile: first, newPassphraseFile: first }).changed).toBe(1);
      expect(sealed()).toContain(files.postgresqlPassword);
      expect(password()).toBe(text);
    }
  });

  it('leave a password elsewhere as its owner keeps it', async () => {
    await start(...under(first));
    storeIn(written('of a database', 'in clear'));
    expect(password()).toBe('in clear');
  });

  it('open in a copy of their folders, without the root key, which makes a replica of other names', async () => {
    await start(...under(first));
    const copy = layout(join(folder, 'copy'));
    for (const name of ['keys', 'pki'])
      cpSync(join(files.dataDir, name), join(copy.dataDir, name), { recursive: true });
    rmSync(copy.rootKey);
    const flags = ['--data-dir', copy.dataDir, '--names', 'replica.example', ...under(first)];
    await init(parseInitOptions(flags));
    const { trust, server } = loadMaterial(readConfig(copy.config));
    expect(trust.online.keyid).toBe(keyid());
    expect(readFileSync(copy.channelKeyKeys)).toEqual(readFileSync(files.channelKeyKeys));
    expect(new X509Certificate(server.cert).subjectAltName).toContain('replica.example');
  });

  it('are refused in clear where one is given that they are not under', async () => {
    await start();
    await expect(start(...under(first))).rejects.toThrow(/lie in clear: encrypt them/);
  });

  it('are refused where one stands for another, or the lock is gone', async () => {
    await start(...under(first));
    writeFileSync(files.onlineKey, readFileSync(files.rootKey));
    expect(keyid).toThrow(/keys\.onlineKey .*is not what this control plane has sealed/);
    rmSync(files.vault);
    await expect(start()).rejects.toThrow(/vault\.json that belongs to it is missing/);
  });

  it('are put under no other lock, nor said to be in clear, where theirs is gone, and nothing is written', async () => {
    await start(...under(first));
    rmSync(files.vault);
    const lost = /vault\.json that belongs to it is missing.*restore it from a backup/;
    expect(() => command({ newPassphraseFile: first })).toThrow(ConfigError);
    expect(() => command({ newPassphraseFile: first })).toThrow(lost);
    expect(() => command({ remove: true })).toThrow(lost);
    for (const path of [files.caKey, files.onlineKey]) rmSync(path);
    await expect(start(...under(first))).rejects.toThrow(lost);
    expect(existsSync(files.vault)).toBe(false);
  });

  it.each([
    [
      'that others may read',
      () => chmodSync(first, 0o640),
      /readable by its owner only \(chmod 600/,
    ],
    ['that is empty', () => writeFileSync(first, '\n'), /must hold 1 to 1024/],
    ['that is short', () => writeFileSync(first, 'hostward\n'), /at least 12 characters/],
    ['that is not there', () => rmSync(first), /cannot be used: .*ENOENT/],
  ])('do not come under one from a file %s', async (_title, spoil, message) => {
    spoil();
    await expect(start(...under(first))).rejects.toThrow(message);
    expect(existsSync(files.caKey)).toBe(false);
  });
});
