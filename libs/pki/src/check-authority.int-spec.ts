import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  checkAuthority,
  createAuthority,
  createCsr,
  isIssuedBy,
  issueClient,
  issueServer,
  type KeyAndCertificate,
} from './index.js';
import { X509Certificate as Parsed } from './x509.js';

const EXTENSIONS = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostward-own-ca-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const openssl = (...args: string[]): void => {
  execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
};
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

const KEYS: Readonly<Record<string, readonly string[]>> = {
  'P-256': ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'P-521': ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  'RSA 2048': ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  'RSA 1024': ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
  Ed25519: ['genpkey', '-algorithm', 'ED25519'],
};

/** A root as an operator makes it with openssl. */
function root(kind = 'P-256', extensions = EXTENSIONS, days = '30'): KeyAndCertificate {
  openssl(...(KEYS[kind] ?? []), '-out', 'root.key');
  const subject = '/C=DE/O=Example Ltd/OU=Security/CN=Example Root';
  const args = ['-x509', '-new', '-key', 'root.key', '-subj', subject, '-days', days];
  openssl('req', ...args, '-out', 'root.pem', ...extensions.flatMap((each) => ['-addext', each]));
  return { certificatePem: read('root.pem'), privateKeyPem: read('root.key') };
}

describe('the authority of an operator', () => {
  it.each(['P-256', 'P-384', 'RSA 2048'])(
    'with a key of %s issues for servers and hosts what openssl believes, by the very name of its root',
    async (kind) => {
      const authority = root(kind);
      expect(() => checkAuthority(authority)).not.toThrow();
      const server = await issueServer({ authority, names: ['control.example'], ips: [] });
      const { csrPem } = await createCsr();
      const host = await issueClient({ authority, csrPem, nodeId: 'ab'.repeat(32) });
      for (const pem of [server.certificatePem, host]) {
        expect(isIssuedBy(pem, authority.certificatePem)).toBe(true);
        const [leaf, issuer] = [new Parsed(pem), new Parsed(authority.certificatePem)];
        // Some programs compare the bytes of names, not what they mean.
        expect(hash(leaf.issuerName.toArrayBuffer())).toBe(
          hash(issuer.subjectName.toArrayBuffer()),
        );
        expect(new X509Certificate(pem).ca).toBe(false);
      }
    },
  );

  it.each([
    ['with a key on another curve', () => root('P-521'), 'key', /P-256 or P-384/],
    ['with a short RSA key', () => root('RSA 1024'), 'key', /2048/],
    ['with an Ed25519 key', () => root('Ed25519'), 'key', /P-256 or P-384/],
    ['that is none', () => root('P-256', ['basicConstraints=CA:FALSE']), 'certificate', /CA:TRUE/],
    [
      'that may not sign certificates',
      () => root('P-256', ['basicConstraints=critical,CA:TRUE', 'keyUsage=cRLSign']),
      'certificate',
      /keyUsage keyCertSign/,
    ],
    [
      'that says nothing of what it may sign',
      () => root('P-256', ['basicConstraints=critical,CA:TRUE']),
      'certificate',
      /keyUsage keyCertSign/,
    ],
    [
      'that may sign for servers only',
      () => root('P-256', [...EXTENSIONS, 'extendedKeyUsage=serverAuth']),
      'certificate',
      /extendedKeyUsage/,
    ],
    [
      'of another key',
      () => ({ ...root(), privateKeyPem: other.privateKeyPem }),
      'key',
      /not the key of the certificate/,
    ],
    [
      'whose key is encrypted',
      () => ({ ...root(), privateKeyPem: '-----BEGIN ENCRYPTED PRIVATE KEY-----\n' }),
      'key',
      /is encrypted/,
    ],
    ['whose key is none', () => ({ ...root(), privateKeyPem: 'x' }), 'key', /no private key/],
    [
      'in a chain',
      () => ({ ...root(), certificatePem: read('root.pem') + other.certificatePem }),
      'certificate',
      /one certificate/,
    ],
    ['in no PEM', () => ({ ...root(), certificatePem: 'x' }), 'certificate', /one certificate/],
  ] as const)('%s is refused: what, why, and what to do', (_how, make, part, rule) => {
    const authority = make();
    expect(() => checkAuthority(authority)).toThrow(
      expect.objectContaining({
        name: 'AuthorityRefusedError',
        part,
        rule: expect.stringMatching(rule),
      }),
    );
    expect(() => checkAuthority(authority)).toThrow(/remedy: \w+/);
  });

  it('is refused before and after its time, and as an intermediate of another one', async () => {
    const authority = await createAuthority({ name: 'short', days: 1 });
    const at = (days: number) => () =>
      checkAuthority(authority, new Date(Date.now() + days * 86_400_000));
    expect(at(0)).not.toThrow();
    expect(at(2)).toThrow(/has expired on/);
    expect(at(-2)).toThrow(/is valid only from/);
    root();
    openssl(
      'genpkey',
      '-algorithm',
      'EC',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-out',
      'mid.key',
    );
    const request = ['req', '-new', '-key', 'mid.key', '-subj', '/CN=Intermediate'];
    openssl(...request, '-out', 'mid.csr', ...EXTENSIONS.flatMap((each) => ['-addext', each]));
    const sign = ['x509', '-req', '-in', 'mid.csr', '-CA', 'root.pem', '-CAkey', 'root.key'];
    openssl(...sign, '-copy_extensions', 'copy', '-days', '5', '-out', 'mid.pem');
    const intermediate = { certificatePem: read('mid.pem'), privateKeyPem: read('mid.key') };
    expect(() => checkAuthority(intermediate)).toThrow(/not self-signed/);
  });
});

let other: KeyAndCertificate;
beforeAll(async () => {
  other = await createAuthority({ name: 'other', days: 1 });
});

function hash(bytes: ArrayBuffer): string {
  return createHash('sha256').update(new Uint8Array(bytes)).digest('hex');
}
