import { describe, expect, it } from '@jest/globals';
import { parseConfig } from './config.js';

const FILE = `
listen: { host: 127.0.0.1, port: 7443 }
advertised: [localhost]
dataDir: data
etcd: { hosts: ['https://127.0.0.1:2379'] }
redis: { host: 127.0.0.1, port: 6379, agent: { port: 6379 } }
tls: { ca: ca.pem, cert: cert.pem, key: key.pem }
keys: { caCertificate: a.pem, caKey: a, root: r, onlineKey: o, epochSecret: e, channelKeyKeys: h }
adminTokenHashFile: admin
`;
const read = (environment: Record<string, string>, file = FILE) =>
  parseConfig(file, '/srv', environment);
const P = 'HOSTWARD_CONTROL_PLANE__';

describe('the environment', () => {
  it('is above the file, key by key, and makes sections that the file lacks', () => {
    const config = read({
      [`${P}LISTEN__PORT`]: '8443',
      [`${P}LOG_LEVEL`]: 'debug',
      [`${P}ETCD__HOSTS`]: "['https://a:2379', 'https://b:2379']",
      [`${P}KEYS__CA_KEY`]: '/run/ca.key',
      [`${P}ETCD__TLS__CA`]: 'etcd.pem',
      PATH: '/bin',
      HOSTWARD_CONTEXT: 'other',
    });
    expect(config).toMatchObject({
      listen: { host: '127.0.0.1', port: 8443 },
      logLevel: 'debug',
      etcd: { hosts: ['https://a:2379', 'https://b:2379'], tls: { ca: '/srv/etcd.pem' } },
      keys: { caKey: '/run/ca.key', root: '/srv/r' },
    });
  });

  it('takes a key away by an empty value', () => {
    const file = `${FILE}packagesDir: /srv/packages\n`;
    expect(read({}, file).packagesDir).toBe('/srv/packages');
    expect(read({ [`${P}PACKAGES_DIR`]: '' }, file).packagesDir).toBeUndefined();
    expect(() => read({ [`${P}DATA_DIR`]: '' })).toThrow(/DATA_DIR \(dataDir\) is missing/);
  });

  it('alone is enough', () => {
    const sections = FILE.trim()
      .split('\n')
      .map((line) => /^(\w+): (.*)$/.exec(line) ?? []);
    const snake = (key: string) => key.replaceAll(/[A-Z]/g, '_$&').toUpperCase();
    const environment = sections.map(([, key = '', value = '']) => [`${P}${snake(key)}`, value]);
    expect(read(Object.fromEntries(environment) as Record<string, string>, '')).toEqual(read({}));
  });

  it.each([
    ['LISTEN__PORT', 'x', /LISTEN__PORT \(listen\.port\) is "x": must be a whole number/],
    ['LISTEN__PROT', '1', /LISTEN__PROT \(listen\.prot\) is there: is not a key that exists here/],
    ['KEYS__', '1', /KEYS__ is a variable: must be HOSTWARD_CONTROL_PLANE__KEY/],
    ['DATA_DIR__X', '1', /DATA_DIR__X is 1: dataDir is no mapping/],
    ['ETCD__HOSTS', '[a', /ETCD__HOSTS is not YAML/],
    ['ETCD__HOSTS', '[a]', /ETCD__HOSTS \(etcd\.hosts\) is "a": must be http/],
    ['LISTEN', '{ host: &a x, port: *a }', /LISTEN is not plain/],
  ])('is refused by its variable’s name: %s', (name, value, message) => {
    expect(() => read({ [`${P}${name}`]: value })).toThrow(message);
  });
});
