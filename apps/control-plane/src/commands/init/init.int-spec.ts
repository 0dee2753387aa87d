import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import {
  createAuthority,
  fingerprint,
  isIssuedBy,
  issueServer,
  type KeyAndCertificate,
} from '#pki';
import { EtcdStore } from '#etcd';
import { hashToken } from '../../auth/token-hash.js';
import { ConfigError } from '../../config/index.js';
import { openAuthorities } from '../../certificates/authorities.js';
import { loadMaterial } from '../../config/material.js';
import { readConfig } from '../../config/read-config.js';
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

  it('keeps what somebody has added to the configuration, in its sections too, and writes the same again', async () => {
    const flags = ['--redis-events', '127.0.0.1:6380', '--agent-redis-host', 'a.example'];
    const { configFile } = await init(options(...flags));
    const made = readFileSync(configFile, 'utf8');
    expect(await init(options(...flags))).toMatchObject({ isConfigChanged: false });
    expect(readFileSync(configFile, 'utf8')).toBe(made);
    const own = made
      .replace(/^redis:\n/m, '$&  replicas: [b.example:6379] # the other machine\n')
      .replace(/^  agent:\n/m, '$&    others: [b.example:6379]\n')
      .replace(/^tls:\n/m, '$&  clients: off\n');
    const store = '{ postgresql: { host: localhost, passwordFile: keys/db.password } }';
    writeFileSync(configFile, `${own}store: ${store}\nlogLevel: debug\n`);
    await init(options(...flags, '--listen', '127.0.0.1:7444'));
    const text = readFileSync(configFile, 'utf8');
    expect(text).toContain('# the other machine');
    const others = [{ host: 'b.example', port: 6379 }];
    expect(readConfig(configFile)).toMatchObject({
      ...{ listen: { port: 7444 }, logLevel: 'debug', tls: { clients: 'off' } },
      ...{ store: { postgresql: { host: 'localhost' } }, redis: { replicas: others } },
    });
    expect(readConfig(configFile).redis.agent).toMatchObject({ host: 'a.example', others });
    await init(options(...flags, '--listen', '127.0.0.1:7444'));
    expect(readFileSync(configFile, 'utf8')).toBe(text);
  });

  it('takes out of the configuration what a flag said that is no longer given, and what it says itself wins', async () => {
    const { configFile } = await init(options());
    const made = readConfig(configFile);
    await init(options('--redis-events', '127.0.0.1:6380', '--agent-redis-host', 'a.example'));
    expect(readConfig(configFile).redis.agent.events).toEqual({ host: 'a.example', port: 6380 });
    appendFileSync(configFile, 'logLevel: debug\n');
    const text = readFileSync(configFile, 'utf8').replace('username: control', 'username: other');
    writeFileSync(configFile, text.replace(/^keys:\n/m, '$&  passphraseFile: gone\n'));
    await init(options());
    expect(readConfig(configFile)).toEqual({ ...made, logLevel: 'debug' });
  });

  it('has etcd reached by an address, which its certificate needs a name for', async () => {
    const { configFile } = await init(options('--etcd', 'https://10.0.0.1:2379'));
    const { etcd: credentials } = loadMaterial(readConfig(configFile));
    expect(credentials?.serverName).toBe('localhost');
    const store = EtcdStore.connect({ hosts: ['https://10.0.0.1:2379'], credentials });
    store.close();
  });

  it('makes new certificates of the same authority when the names change', async () => {
    const first = await init(options());
    const second = await init(options('--names', 'other.example'));
    expect(second.caFingerprint).toBe(first.caFingerprint);
    expect(() => loadMaterial(readConfig(second.configFile))).not.toThrow();
  });

  it('makes new certificates for an address that is added, and keeps them however it is spelled', async () => {
    const leaf = () => readFileSync(join(folder, 'pki/control-plane.pem'), 'utf8');
    await init(options('--names', 'a.example,10.0.0.1'));
    const first = leaf();
    await init(options('--names', 'a.example,10.0.0.1,2001:db8::7'));
    const second = leaf();
    expect(new X509Certificate(first).checkIP('2001:db8::7')).toBeUndefined();
    expect(new X509Certificate(second).checkIP('2001:db8::7')).toBeDefined();
    await init(options('--names', 'a.example,10.0.0.1,2001:DB8:0::0:7'));
    expect(leaf()).toBe(second);
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

  const key = (name: string) => join(folder, 'keys', name);

  it.each(['epoch.secret', 'channel-keys.secret', 'roots.json', 'admin-token.sha256'])(
    'makes no other root of trust where root.json is gone and %s is there, and changes nothing',
    async (left) => {
      await init(options());
      for (const name of readdirSync(join(folder, 'keys'))) if (name !== left) rmSync(key(name));
      if (left === 'roots.json') writeFileSync(key(left), '[]');
      const before = contents();
      await expect(init(options())).rejects.toThrow(ConfigError);
      await expect(init(options())).rejects.toThrow(/root\.json: is missing .*backup.*take-keys/);
      expect(contents()).toEqual(before);
    },
  );

  it.each(['redis-control.password', 'epoch.secret', 'channel-keys.secret'])(
    'goes on with no secret of which nothing is left, such as %s',
    async (name) => {
      await init(options());
      writeFileSync(key(name), '\n');
      await expect(init(options())).rejects.toThrow(`${name}: is empty: restore it`);
    },
  );

  it('makes none in the place of a link to one that is away', async () => {
    await init(options());
    renameSync(key('root.json'), join(folder, '../away'));
    for (const name of readdirSync(join(folder, 'keys'))) rmSync(key(name));
    symlinkSync(join(folder, '../elsewhere'), key('root.json'));
    await expect(init(options())).rejects.toThrow(/root\.json: .*leads nowhere/);
    renameSync(join(folder, '../away'), join(folder, '../elsewhere'));
    await init(options());
  });

  it('goes on with a first start that ended before its root document was written', async () => {
    await init(options());
    const made = readFileSync(key('online.key'), 'utf8');
    const others = readdirSync(join(folder, 'keys')).filter(
      (name) => !/^(online|root)\.key$/.test(name),
    );
    for (const name of others) rmSync(key(name));
    const { configFile } = await init(options());
    expect(readFileSync(key('online.key'), 'utf8')).toBe(made);
    expect(() => loadMaterial(readConfig(configFile))).not.toThrow();
  });

  it('puts a new key of channel keys in front of at most seven, and drops none', async () => {
    await init(options());
    for (let keys = 2; keys <= 8; keys += 1) await init(options('--rotate-channel-key-key'));
    const before = readFileSync(key('channel-keys.secret'), 'utf8');
    expect(before.trim().split('\n')).toHaveLength(8);
    const ninth = init(options('--rotate-channel-key-key'));
    await expect(ninth).rejects.toThrow(
      /--rotate-channel-key-key is .*channel-keys\.secret.*keys\.rewrapped.*take the last line out/,
    );
    expect(readFileSync(key('channel-keys.secret'), 'utf8')).toBe(before);
    writeFileSync(key('channel-keys.secret'), before.replace(/[^\n]+\n$/, ''));
    await init(options('--rotate-channel-key-key'));
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

describe('init with the authority of an operator', () => {
  let given: KeyAndCertificate;
  const file = (name: string): string => join(folder, '..', name);
  const own = (): string[] => ['--ca-cert', file('root.pem'), '--ca-key', file('root.key')];
  beforeEach(async () => {
    given = await createAuthority({ name: 'Example Root', days: 30 });
    mkdirSync(join(folder, '..'), { recursive: true });
    writeFileSync(file('root.pem'), given.certificatePem);
    writeFileSync(file('root.key'), given.privateKeyPem, { mode: 0o600 });
  });

  it('takes it over in the place of one of its own, and needs the files no more', async () => {
    const first = await init(options(...own()));
    expect(first.caFingerprint).toBe(fingerprint(given.certificatePem));
    rmSync(file('root.key'));
    rmSync(file('root.pem'));
    const again = await init(options());
    expect(again.caFingerprint).toBe(first.caFingerprint);
    const config = readConfig(again.configFile);
    const authorities = openAuthorities(config, loadMaterial(config).secrets);
    expect(authorities.trustedPem).toBe(given.certificatePem);
    const leaf = readFileSync(again.redis.cert, 'utf8');
    expect(isIssuedBy(leaf, given.certificatePem)).toBe(true);
  });

  it('seals its key where the keys are under a passphrase', async () => {
    writeFileSync(file('passphrase'), 'a passphrase that is long enough\n', { mode: 0o600 });
    const { configFile } = await init(options(...own(), '--passphrase-file', file('passphrase')));
    const config = readConfig(configFile);
    expect(readFileSync(config.keys.caKey, 'utf8')).not.toContain('PRIVATE KEY');
    expect(() => openAuthorities(config, loadMaterial(config).secrets)).not.toThrow();
  });

  it('refuses one that cannot be one, that others may read, or whose other half is missing, and makes nothing', async () => {
    const leaf = await issueServer({ authority: given, names: ['a.example'], ips: [] });
    const refused = async (flags: string[], said: RegExp): Promise<void> => {
      await expect(async () => init(options(...flags))).rejects.toThrow(said);
      expect(existsSync(join(folder, 'pki', 'ca.pem'))).toBe(false);
    };
    writeFileSync(file('root.pem'), leaf.certificatePem);
    await refused(own(), /--ca-cert is .*CA:TRUE is missing.*remedy: openssl/s);
    writeFileSync(file('root.pem'), given.certificatePem);
    writeFileSync(file('root.key'), leaf.privateKeyPem);
    await refused(own(), /--ca-key is .*not the key of the certificate.*remedy/s);
    writeFileSync(file('root.key'), given.privateKeyPem);
    chmodSync(file('root.key'), 0o644);
    await refused(own(), /--ca-key is .*its owner only/s);
    await refused(own().slice(0, 2), /--ca-key is missing/);
    await refused(own().slice(2), /--ca-cert is missing/);
  });

  it('refuses another one than hosts have pinned, and leads to its replacement', async () => {
    await init(options());
    await expect(init(options(...own()))).rejects.toThrow(/--ca-cert is .*hostward ca begin/s);
  });

  it('is checked at each start: a key that is another one, half an authority, a leaf that is over', async () => {
    const { configFile } = await init(options(...own()));
    const config = readConfig(configFile);
    const load = () => openAuthorities(config, loadMaterial(config).secrets);
    const key = readFileSync(config.keys.caKey);
    const stranger = await createAuthority({ name: 'stranger', days: 1 });
    writeFileSync(config.keys.caKey, stranger.privateKeyPem);
    expect(load).toThrow(/keys.caKey is .*not the key of the certificate/s);
    rmSync(config.keys.caKey);
    expect(load).toThrow(/keys.caKey/);
    await expect(init(options())).rejects.toThrow(/keys.caKey/);
    writeFileSync(config.keys.caKey, key, { mode: 0o600 });
    expect(load).not.toThrow();
    const now = new Date(Date.now() - 3 * 86_400_000);
    const over = await issueServer({ authority: given, names: ['localhost'], ips: [], now });
    writeFileSync(config.tls.cert, over.certificatePem + given.certificatePem);
    writeFileSync(config.tls.key, over.privateKeyPem);
    expect(load).toThrow(/tls.cert is .*has expired/s);
    const alone = await issueServer({ authority: given, names: ['localhost'], ips: [] });
    writeFileSync(config.tls.cert, alone.certificatePem);
    writeFileSync(config.tls.key, alone.privateKeyPem);
    expect(load).toThrow(/tls.cert is .*must hold the CA's certificate/s);
  });
});
