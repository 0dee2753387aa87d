import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { hashToken } from '../access/index.js';
import { ConfigError } from '../config/index.js';
import { loadMaterial } from '../config/material.js';
import { readConfig } from '../config/read-config.js';
import { init } from './init.js';
import { parseInitOptions } from './options.js';

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'hw-init-')), 'data');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

const options = (...more: string[]) => parseInitOptions(['--data-dir', folder, ...more]);

function contents(): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) =>
    each.isFile(),
  );
  return Object.fromEntries(
    files.map(({ parentPath, name }) => [
      join(parentPath, name),
      readFileSync(join(parentPath, name), 'utf8'),
    ]),
  );
}

describe('init', () => {
  it('makes a data directory that the control plane starts from, and keeps only the hash of the token', async () => {
    const answer = await init(options('--names', 'control.example,10.0.0.1'));
    const material = loadMaterial(readConfig(answer.configFile));
    expect(hashToken(answer.adminToken ?? '')).toBe(material.adminTokenHash);
    expect(material.trust.root.document.mode).toBe('managed');
    expect(Object.values(contents()).join('\n')).not.toContain(answer.adminToken);
    expect(answer.url).toBe('https://127.0.0.1:7443');
  });

  it('changes nothing the second time but the configuration, and shows no token again', async () => {
    await init(options());
    const before = contents();
    const again = await init(options('--listen', '127.0.0.1:7444'));
    expect(again.adminToken).toBeUndefined();
    expect(readConfig(again.configFile).listen.port).toBe(7444);
    const { [again.configFile]: _config, ...rest } = contents();
    for (const [path, text] of Object.entries(rest))
      expect([path, text]).toEqual([path, before[path]]);
  });

  it('keeps the identity provider that somebody has added to the configuration, and refuses a file it cannot read', async () => {
    const { configFile } = await init(options());
    const mapping = '{ value: web, roles: [viewer] }';
    const oidc = `oidc: { issuer: "https://login.example", clientId: cli, roles: [${mapping}] }\n`;
    appendFileSync(configFile, oidc);
    await init(options('--listen', '127.0.0.1:7444'));
    const { listen, oidc: read } = readConfig(configFile);
    expect([listen.port, read?.clientId]).toEqual([7444, 'cli']);
    appendFileSync(configFile, oidc);
    await expect(init(options())).rejects.toThrow(ConfigError);
  });

  it('makes new certificates of the same authority when the names change', async () => {
    const first = await init(options());
    const second = await init(options('--names', 'other.example'));
    expect(second.caFingerprint).toBe(first.caFingerprint);
    expect(() => loadMaterial(readConfig(second.configFile))).not.toThrow();
  });

  it('makes another admin token when it is told to, and nothing else', async () => {
    const first = await init(options());
    const before = contents();
    const second = await init(options('--reset-admin-token'));
    expect(second.adminToken).not.toBe(first.adminToken);
    const changed = Object.entries(contents()).filter(([path, text]) => before[path] !== text);
    expect(changed.map(([path]) => path)).toEqual([join(folder, 'keys', 'admin-token.sha256')]);
    expect(hashToken(second.adminToken ?? '')).toBe(changed[0]?.[1].trim());
  });

  it('lets nobody but the owner read any of it', async () => {
    await init(options());
    for (const path of Object.keys(contents()))
      expect([path, statSync(path).mode & 0o077]).toEqual([path, 0]);
    expect(statSync(folder).mode & 0o077).toBe(0);
  });

  it.each([
    [
      'readable by others',
      (path: string) => chmodSync(path, 0o644),
      /must be readable by its owner only/,
    ],
    ...(geteuid?.() === 0
      ? ([
          [
            'another user’s',
            (path: string) => chownSync(path, 12_345, 12_345),
            /belongs to user 12345, .*chown 0 /,
          ],
        ] as const)
      : []),
    ['missing', (path: string) => rmSync(path), /keys\.epochSecret .*cannot be used/],
    ['cut short', (path: string) => writeFileSync(path, 'AAAA\n'), /32 bytes/],
  ])(
    'leaves a start refused, naming key and rule, when a secret is %s',
    async (_title, spoil, message) => {
      const { configFile } = await init(options());
      spoil(join(folder, 'keys', 'epoch.secret'));
      expect(() => loadMaterial(readConfig(configFile))).toThrow(message);
      expect(() => loadMaterial(readConfig(configFile))).toThrow(ConfigError);
    },
  );

  it.each([
    ['--listen', 'nowhere'],
    ['--listen', 'a:99999'],
    ['--names', ' , '],
  ])('refuses %s %p', (flag, value) => {
    expect(() => options(flag, value)).toThrow(ConfigError);
  });
});
