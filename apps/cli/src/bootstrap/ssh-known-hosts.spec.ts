import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { knownKeys } from './ssh-known-hosts.js';

function hashed(name: string): string {
  const salt = Buffer.from('0123456789abcdef0123');
  const hash = createHmac('sha1', salt).update(name).digest('base64');
  return `|1|${salt.toString('base64')}|${hash}`;
}

const keysOf = (text: string, host: string, port = 22): string[] =>
  knownKeys(text, host, port).map(({ key, revoked }) => (revoked ? `not ${key}` : key));

describe('known_hosts', () => {
  const text = [
    '# a comment',
    'web1,10.0.0.1 ssh-ed25519 AAAAplain a comment',
    '[web1]:2222 ssh-ed25519 AAAAport',
    `${hashed('web2')} ssh-rsa AAAAhashed`,
    `${hashed('[web2]:2222')} ssh-rsa AAAAhashedport`,
    '*.example,!bad.example ecdsa-sha2-nistp256 AAAApattern',
    '@revoked web1 ssh-ed25519 AAAArevoked',
    '@cert-authority * ssh-ed25519 AAAAauthority',
    'web3',
    '|1|damaged ssh-rsa AAAAdamaged',
  ].join('\n');

  it.each([
    ['web1', 22, ['AAAAplain', 'not AAAArevoked']],
    ['WEB1', 22, ['AAAAplain', 'not AAAArevoked']],
    ['10.0.0.1', 22, ['AAAAplain']],
    ['web1', 2222, ['AAAAport']],
    ['web2', 22, ['AAAAhashed']],
    ['web2', 2222, ['AAAAhashedport']],
    ['a.example', 22, ['AAAApattern']],
    ['bad.example', 22, []],
    ['web10', 22, []],
    ['web3', 22, []],
  ])('has for %s port %i the keys %j', (host, port, keys) => {
    expect(keysOf(text, host, port)).toEqual(keys);
  });

  it('takes no dot for any character', () => {
    expect(keysOf('10.0.0.1 ssh-rsa AAAA', '10a0b0c1')).toEqual([]);
  });
});
