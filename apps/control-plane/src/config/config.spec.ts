import { describe, expect, it } from '@jest/globals';
import { ConfigError, parseConfig } from './index.js';

const GOOD = `
listen: { host: 127.0.0.1, port: 7443 }
advertised: [localhost]
dataDir: .
etcd: { hosts: ["https://127.0.0.1:2379"], tls: { ca: pki/ca.pem, cert: pki/c.pem, key: pki/c.key } }
redis: { host: 127.0.0.1, port: 6379, agent: { port: 6379, username: agent, passwordFile: keys/agent } }
tls: { cert: pki/s.pem, key: pki/s.key, ca: pki/ca.pem }
keys: { caKey: keys/ca.key, root: keys/root.json, onlineKey: keys/online, epochSecret: keys/epoch }
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

describe('the configuration file', () => {
  it('is read with paths relative to its folder', () => {
    const config = parseConfig(GOOD, '/etc/hostward');
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 7443 });
    expect(config.etcd.tls?.ca).toBe('/etc/hostward/pki/ca.pem');
    expect(config.redis.agent.passwordFile).toBe('/etc/hostward/keys/agent');
    expect(config.tls.clients).toBe('optional');
    expect(config.logLevel).toBe('info');
  });

  it.each([
    [
      'a port that is none',
      GOOD.replace('port: 7443', 'port: 70000'),
      /listen\.port is 70000: .*65535/,
    ],
    ['a missing section', GOOD.replace(/^keys:.*$/m, ''), /keys is missing: must be a mapping/],
    ['a misspelt key', `${GOOD}\nlogLevl: debug`, /logLevl is "debug": is not a key/],
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
