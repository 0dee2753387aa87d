import { describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, parseConfig } from './index.js';
import { readConfig } from './read-config.js';

const GOOD = `
listen: { host: 127.0.0.1, port: 7443 }
advertised: [localhost]
dataDir: .
etcd: { hosts: ["https://127.0.0.1:2379"], tls: { ca: pki/ca.pem, cert: pki/c.pem, key: pki/c.key } }
redis: { host: 127.0.0.1, port: 6379, agent: { port: 6379 }, replicas: ["[::1]:6380"] }
tls: { cert: pki/s.pem, key: pki/s.key, ca: pki/ca.pem }
keys: { caCertificate: keys/authority.pem, caKey: keys/ca.key, root: keys/root.json, onlineKey: keys/online, epochSecret: keys/epoch, channelKeyKeys: keys/kek }
adminTokenHashFile: keys/admin.sha256
`;

function refusal(text: string): string {
  try {
    parseConfig(text, '/etc/hostward');
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

const OIDC = `${GOOD}
oidc:
  issuer: https://login.example/realm
  clientId: hostward-cli
  ca: pki/login.pem
  roles:
    - { value: web, roles: [operator], selector: team=web }
    - { value: platform, roles: [admin] }
`;

describe('an identity provider in the configuration', () => {
  it('is absent by default, and read with defaults', () => {
    expect(parseConfig(GOOD, '/etc/hostward').oidc).toBeUndefined();
    expect(parseConfig(OIDC, '/etc/hostward').oidc).toMatchObject({
      ...{ issuer: 'https://login.example/realm', clientId: 'hostward-cli' },
      ...{ ca: '/etc/hostward/pki/login.pem', rolesClaim: 'groups', scopes: ['openid', 'profile'] },
      roles: [
        { value: 'web', roles: ['operator'], selector: 'team=web' },
        { value: 'platform', roles: ['admin'] },
      ],
    });
  });

  it.each([
    [
      'an issuer without TLS',
      OIDC.replace('https://login', 'http://login'),
      /oidc\.issuer is "http:.*https/,
    ],
    ['no mapping', OIDC.replace(/  roles:[^]*/, ''), /oidc\.roles is missing: must be a list/],
    [
      'an unknown role',
      OIDC.replace('[admin]', '[root]'),
      /oidc\.roles\[1\]\.roles is \["root"\]: .*viewer/,
    ],
    [
      'a scope of names',
      OIDC.replace('team=web', 'hostward.io/name=web1'),
      /oidc\.roles\[0\]\.selector/,
    ],
    [
      'a selector that is none',
      OIDC.replace('team=web', '"team in"'),
      /oidc\.roles\[0\]\.selector is "team in": must be a label selector/,
    ],
    [
      'a misspelt key of a mapping',
      OIDC.replace('selector:', 'selektor:'),
      /oidc\.roles\[0\]\.selektor is there: is not a key/,
    ],
    [
      'scopes without openid',
      `${OIDC}  scopes: [profile]`,
      /oidc\.scopes is \["profile"\]: .*openid/,
    ],
    ['a misspelt key', `${OIDC}  clientid: x`, /oidc\.clientid/],
  ])('is refused for %s, naming key, value and rule', (_title, text, message) => {
    expect(refusal(text)).toMatch(message);
  });
});

const STORE =
  'store: { postgresql: { host: db.example, passwordFile: keys/db.password, ca: pki/db.pem } }\n';

describe('the store in the configuration', () => {
  it('is SQLite by default, and a PostgreSQL with defaults', () => {
    expect(parseConfig(GOOD, '/etc/hostward').store).toEqual({});
    expect(parseConfig(GOOD + STORE, '/etc/hostward').store.postgresql).toEqual({
      ...{ host: 'db.example', port: 5432, database: 'hostward', user: 'hostward' },
      ...{ passwordFile: '/etc/hostward/keys/db.password', ca: '/etc/hostward/pki/db.pem' },
    });
    const own = STORE.replace('host: db.example', 'host: 127.0.0.1, port: 6000').replace(
      /, ca: [^ ]+/,
      '',
    );
    expect(parseConfig(GOOD + own, '/').store.postgresql).toMatchObject({
      port: 6000,
      ca: undefined,
    });
  });

  it.each([
    [
      'no TLS to another machine',
      /, ca: [^ ]+/,
      '',
      /store\.postgresql\.ca is missing: .*db\.example/,
    ],
    ['no password', /passwordFile: [^ ]+,/, '', /store\.postgresql\.passwordFile is missing/],
    ['a password in it', 'passwordFile', 'password', /store\.postgresql\.passwordFile is missing/],
    ['several hosts', 'db.example', '"a,b"', /store\.postgresql\.host is "a,b": must be one name/],
    ['a port that is none', 'host:', 'port: x, host:', /store\.postgresql\.port is "x": .*65535/],
    ['another kind of store', 'postgresql', 'mysql', /store\.mysql is .*: is not a key/],
    ['a misspelt key', 'ca:', 'CA:', /store\.postgresql\.CA is there/],
    ['a secret, untold', 'host:', 'password: hunter2, host:', /password is there: (?!.*hunter2)/],
  ])('is refused for %s, naming key, value and rule', (_title, from, to, message) => {
    expect(refusal(GOOD + STORE.replace(from, to))).toMatch(message);
  });
});

describe('the configuration file', () => {
  it('is read with paths relative to its folder', () => {
    const config = parseConfig(GOOD, '/etc/hostward');
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 7443 });
    expect(config.etcd.tls?.ca).toBe('/etc/hostward/pki/ca.pem');
    expect(config.redis.replicas).toEqual([{ host: '::1', port: 6380 }]);
    expect(config.tls.clients).toBe('optional');
    expect(config.logLevel).toBe('info');
  });

  it('is read so through a link too, as the one in /etc/hostward', () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostward-config-')));
    const [file, link] = [join(folder, 'own/control-plane.yaml'), join(folder, 'linked.yaml')];
    mkdirSync(join(folder, 'own'));
    writeFileSync(file, GOOD);
    symlinkSync(file, link);
    expect(readConfig(link).etcd.tls?.ca).toBe(join(folder, 'own/pki/ca.pem'));
    rmSync(folder, { recursive: true });
  });

  it.each([
    [
      'a port that is none',
      GOOD.replace('port: 7443', 'port: 70000'),
      /listen\.port is 70000: .*65535/,
    ],
    ['a missing section', GOOD.replace(/^keys:.*$/m, ''), /keys is missing: must be a mapping/],
    ['a misspelt key', `${GOOD}\nlogLevl: debug`, /logLevl is there: is not a key/],
    [
      'a misspelt key below',
      GOOD.replace('host: 127.0.0.1, port: 7443', 'hots: a, host: b, port: 1'),
      /listen\.hots/,
    ],
    ['an unknown level', `${GOOD}\nlogLevel: loud`, /logLevel is "loud": must be one of error/],
    [
      'an etcd host that is no URL',
      GOOD.replace('https://127.0.0.1:2379', '127.0.0.1'),
      /etcd\.hosts/,
    ],
    ['a duplicate key', `${GOOD}\ndataDir: x`, /not YAML/],
    ['nothing at all', '', /\(file\) is null: must be a mapping/],
  ])('refuses %s, naming key, value and rule', (_title, text, message) => {
    expect(refusal(text)).toMatch(message);
  });
});
