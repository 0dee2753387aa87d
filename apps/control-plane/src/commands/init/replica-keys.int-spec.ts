import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sealReplicaKeys } from '#bundle';
import { hashToken } from '../../auth/token-hash.js';
import { ConfigError } from '../../config/index.js';
import { loadMaterial } from '../../config/material.js';
import { readConfig } from '../../config/read-config.js';
import { init } from './init.js';
import { parseInitOptions } from './options.js';
import { requestKeys, shareKeys, takeKeys } from './replica-keys.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hw-replica-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const at = (name: string) => join(root, name);
const start = (name: string, ...more: string[]) =>
  init(parseInitOptions(['--data-dir', at(name), ...more]));
const file = (name: string, path: string) => readFileSync(join(root, name, path), 'utf8');
const share = (to: string) => shareKeys(at('first'), to);

describe('the keys of a further control plane', () => {
  it('are those of the first one, but for the root key, and it makes certificates of its own', async () => {
    await start('first', '--names', 'cp1.example');
    const sealed = await share(requestKeys(at('second')));
    await takeKeys(at('second'), `${sealed}\n`);
    const { configFile, adminToken } = await start('second', '--names', 'cp2.example');
    expect(adminToken).toBeUndefined();
    const made = new Set(readdirSync(join(root, 'second/keys')));
    expect(new Set(readdirSync(join(root, 'first/keys'))).difference(made)).toEqual(
      new Set(['root.key']),
    );
    for (const path of [
      'online.key',
      'epoch.secret',
      'channel-keys.secret',
      'admin-token.sha256',
      'root.json',
    ])
      expect([path, file('second', `keys/${path}`)]).toEqual([path, file('first', `keys/${path}`)]);
    for (const path of ['ca.pem', 'ca.key', 'authority.pem', 'etcd-ca.pem', 'etcd-ca.key'])
      expect([path, file('second', `pki/${path}`)]).toEqual([path, file('first', `pki/${path}`)]);
    expect(file('second', 'pki/redis.pem')).not.toBe(file('first', 'pki/redis.pem'));
    expect(() => loadMaterial(readConfig(configFile))).not.toThrow();
  });

  it('pass sealed, to one replica, once', async () => {
    await start('first');
    const request = requestKeys(at('second'));
    expect(requestKeys(at('second'))).toBe(request);
    const sealed = await share(request);
    const bytes = Buffer.from(sealed, 'base64');
    expect(bytes.includes(file('first', 'keys/epoch.secret').trim())).toBe(false);
    requestKeys(at('third'));
    await expect(takeKeys(at('third'), sealed)).rejects.toThrow(/standard input.*do not open with/);
    await takeKeys(at('second'), sealed);
    expect(existsSync(join(root, 'second/replica.key'))).toBe(false);
    await expect(takeKeys(at('second'), sealed)).rejects.toThrow(/has keys already/);
    expect(() => requestKeys(at('second'))).toThrow(ConfigError);
  });

  it('are taken again where that was broken off, and none are made in their place', async () => {
    await start('first');
    const sealed = await share(requestKeys(at('second')));
    mkdirSync(join(root, 'second/keys'));
    const taken = file('first', 'keys/admin-token.sha256');
    writeFileSync(join(root, 'second/keys/admin-token.sha256'), taken);
    await expect(start('second')).rejects.toThrow(/root\.json: is missing .*run take-keys again/);
    await takeKeys(at('second'), sealed);
    await start('second');
    expect(file('second', 'keys/root.json')).toBe(file('first', 'keys/root.json'));
  });

  it('stay under their passphrase', async () => {
    const passphrase = join(root, 'passphrase');
    writeFileSync(passphrase, 'a passphrase that is long enough\n', { mode: 0o600 });
    await start('first', '--passphrase-file', passphrase);
    await takeKeys(at('second'), await share(requestKeys(at('second'))));
    await expect(start('second')).rejects.toThrow(/passphrase is missing/);
    const { configFile } = await start('second', '--passphrase-file', passphrase);
    expect(() => loadMaterial(readConfig(configFile))).not.toThrow();
  });

  it('are refused where they are no keys, or lead out of the folder', async () => {
    await start('first');
    const request = requestKeys(at('second'));
    await expect(share('nonsense')).rejects.toThrow(/--to is nonsense: cannot be used/);
    await expect(shareKeys(at('nowhere'), request)).rejects.toThrow(/holds no keys/);
    await expect(takeKeys(at('nowhere'), '')).rejects.toThrow(/request-keys: run it first/);
    for (const path of ['keys/../../x', '/etc/x', 'keys/root.key', 'pki/redis.key']) {
      const stranger = Buffer.from(JSON.stringify({ 'keys/root.json': '{}', [path]: 'x' }));
      const sealed = await sealReplicaKeys(stranger, request);
      await expect(takeKeys(at('second'), sealed)).rejects.toThrow(
        /no file that control planes share/,
      );
    }
    expect(readdirSync(join(root, 'second'))).toEqual(['replica.key']);
  });
});

describe('init for several machines', () => {
  it('puts the admin token into a file in the place of its answer, when it makes one', async () => {
    const path = join(root, 'token');
    const { adminToken } = await start('first', '--admin-token-file', path);
    expect(adminToken).toBeUndefined();
    expect(hashToken(readFileSync(path, 'utf8').trim())).toBe(
      file('first', 'keys/admin-token.sha256').trim(),
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    rmSync(path);
    await start('first', '--admin-token-file', path);
    expect(existsSync(path)).toBe(false);
  });

  it('makes the admin token again where its file could not be written', async () => {
    const path = join(root, 'later/token');
    await expect(start('first', '--admin-token-file', path)).rejects.toThrow(/ENOENT/);
    mkdirSync(join(root, 'later'));
    await start('first', '--admin-token-file', path);
    expect(hashToken(readFileSync(path, 'utf8').trim())).toBe(
      file('first', 'keys/admin-token.sha256').trim(),
    );
  });

  it('leaves no admin token in the file where its hash could not be stored', async () => {
    const path = join(root, 'token');
    mkdirSync(join(root, 'first/keys/admin-token.sha256.new'), { recursive: true });
    await expect(start('first', '--admin-token-file', path)).rejects.toThrow(/admin-token/);
    expect(existsSync(path)).toBe(false);
  });

  it('writes how replicas of Redis and Sentinels log in, in clear, only when it is told to', async () => {
    await start('first');
    expect(existsSync(join(root, 'first/redis'))).toBe(false);
    await start('first', '--redis-replicas');
    const password = file('first', 'keys/redis-control.password').trim();
    expect(file('first', 'redis/masterauth.conf')).toBe(`masterauth ${password}\n`);
    const lines = file('first', 'redis/sentinel-login.conf').split('\n');
    expect(lines).toContain(`sentinel auth-pass hostward-events ${password}`);
    expect(file('first', 'keys/redis-users.conf')).toContain(lines[0]);
    expect(statSync(join(root, 'first/redis/masterauth.conf')).mode & 0o777).toBe(0o600);
  });

  it('says whether the configuration changed, and makes no root key again that was taken away', async () => {
    expect((await start('first')).isConfigChanged).toBe(true);
    rmSync(join(root, 'first/keys/root.key'));
    expect((await start('first')).isConfigChanged).toBe(false);
    expect(existsSync(join(root, 'first/keys/root.key'))).toBe(false);
    expect((await start('first', '--listen', '127.0.0.1:7444')).isConfigChanged).toBe(true);
  });
});
