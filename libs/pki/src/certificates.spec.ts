import { X509Certificate, createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  type KeyAndCertificate,
  createAuthority,
  createCsr,
  fingerprint,
  issueClient,
  issueServer,
  issueServiceClient,
  parseCertificate,
  verifyCertificate,
} from './index.js';
import {
  BasicConstraintsExtension,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  X509Certificate as ParsedCertificate,
} from './x509.js';

const NODE_ID = 'ab'.repeat(32);
const HOUR_MS = 3_600_000;
let authority: KeyAndCertificate;
beforeAll(async () => {
  authority = await createAuthority({ name: 'hostward test CA', days: 30 });
});

describe('an authority', () => {
  it('may sign certificates and nothing else, and no authority below it', () => {
    const parsed = new ParsedCertificate(authority.certificatePem);
    expect(parsed.getExtension(BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 0,
      critical: true,
    });
    expect(parsed.getExtension(KeyUsagesExtension)).toMatchObject({ usages: 96, critical: true });
    expect(
      new X509Certificate(authority.certificatePem).verify(
        createPublicKey(authority.certificatePem),
      ),
    ).toBe(true);
  });

  it('keeps a name with separators as one name', async () => {
    const odd = await createAuthority({ name: 'a, O=b+C=d', days: 1 });
    expect(parseCertificate(odd.certificatePem).commonName).toContain('a');
    expect(new ParsedCertificate(odd.certificatePem).subjectName.getField('O')).toEqual([]);
  });
});

describe('a server certificate', () => {
  it('holds its names and addresses and is believed under its authority only', async () => {
    const server = await issueServer({
      authority,
      names: ['control.example'],
      ips: ['127.0.0.1', '::1'],
    });
    const facts = verifyCertificate({
      certificate: server.certificatePem,
      authority: authority.certificatePem,
    });
    expect(facts.alternativeNames).toBe(
      'DNS:control.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    expect(facts.isAuthority).toBe(false);
    const other = await createAuthority({ name: 'hostward test CA', days: 30 });
    const foreign = () =>
      verifyCertificate({ certificate: server.certificatePem, authority: other.certificatePem });
    expect(foreign).toThrow(expect.objectContaining({ code: 'not-issued-by-authority' }));
  });

  it.each(['::ffff:1.2.3.4', '2001:DB8::7'])(
    'is of the address %s, however it is written',
    async (ip) => {
      const { certificatePem } = await issueServer({ authority, names: [], ips: [ip] });
      expect(new X509Certificate(certificatePem).checkIP(ip)).toBe(ip);
    },
  );

  it('lasts no longer than a day, and is refused before and after', async () => {
    const now = new Date('2030-01-01T12:00:00.500Z');
    const old = await createAuthority({ name: 'ca', days: 30, now });
    const { certificatePem: certificate } = await issueServer({
      authority: old,
      names: ['a'],
      ips: [],
      now,
    });
    const { notBefore, notAfter } = parseCertificate(certificate);
    expect(notAfter.getTime() - notBefore.getTime()).toBe(24 * HOUR_MS);
    const at = (time: Date) => () =>
      verifyCertificate({ certificate, authority: old.certificatePem, now: time });
    expect(at(now)).not.toThrow();
    expect(at(new Date(notAfter.getTime() + 1))).toThrow(
      expect.objectContaining({ code: 'not-valid-now' }),
    );
    expect(at(new Date(notBefore.getTime() - 1))).toThrow(
      expect.objectContaining({ code: 'not-valid-now' }),
    );
    await expect(issueServer({ authority, names: ['a'], ips: [], hours: 25 })).rejects.toThrow(
      RangeError,
    );
  });

  it.each(['', 'a b', 'a\nb', '-a', 'a..b', 'DNS:x', 'a,b'])(
    'is not issued for the name %j',
    async (name) => {
      await expect(issueServer({ authority, names: [name], ips: [] })).rejects.toThrow(RangeError);
    },
  );

  it('is not issued for an address that is none, nor without any name', async () => {
    await expect(issueServer({ authority, names: [], ips: ['127.0.0.256'] })).rejects.toThrow(
      RangeError,
    );
    await expect(issueServer({ authority, names: [], ips: [] })).rejects.toThrow(RangeError);
  });
});

describe('a host certificate', () => {
  it('names the node id whatever the request asked for, and is no authority', async () => {
    const csrPem = await requestFor('ECDSA', [new BasicConstraintsExtension(true, 5, true)]);
    const certificate = await issueClient({ authority, csrPem, nodeId: NODE_ID });
    const facts = verifyCertificate({ certificate, authority: authority.certificatePem });
    expect(facts).toMatchObject({ commonName: NODE_ID, isAuthority: false, alternativeNames: '' });
    expect(new X509Certificate(certificate).keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });

  it('carries the key of the request', async () => {
    const { csrPem, privateKeyPem } = await createCsr();
    const certificate = new X509Certificate(
      await issueClient({ authority, csrPem, nodeId: NODE_ID }),
    );
    const own = createPublicKey(privateKeyPem).export({ format: 'pem', type: 'spki' });
    expect(certificate.publicKey.export({ format: 'pem', type: 'spki' })).toBe(own);
  });

  it('is refused for a request whose every sixteenth byte was flipped in turn', async () => {
    const { csrPem } = await createCsr();
    const der = Buffer.from(csrPem.replace(/-----.*-----|\s/g, ''), 'base64');
    for (let at = 0; at < der.length; at += 16) {
      const bad = Buffer.from(der);
      bad.writeUInt8(bad.readUInt8(at) ^ 0x01, at);
      await expect(
        issueClient({ authority, csrPem: pem(bad), nodeId: NODE_ID }),
      ).rejects.toMatchObject({
        name: 'CertificateRefusedError',
      });
    }
  });

  it('is refused for a request with another key than P-256', async () => {
    const csrPem = await requestFor('RSASSA-PKCS1-v1_5', []);
    await expect(issueClient({ authority, csrPem, nodeId: NODE_ID })).rejects.toMatchObject({
      code: 'weak-key',
    });
  });

  it.each([
    '',
    'x',
    '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----',
    'A'.repeat(9000),
  ])('is refused for what is no request', async (csrPem) => {
    await expect(issueClient({ authority, csrPem, nodeId: NODE_ID })).rejects.toMatchObject({
      code: 'malformed',
    });
  });

  it('is refused for a node id that is none', async () => {
    const { csrPem } = await createCsr();
    await expect(issueClient({ authority, csrPem, nodeId: 'web1' })).rejects.toThrow(RangeError);
  });

  it('cannot sign another certificate that would be believed', async () => {
    const { csrPem, privateKeyPem } = await createCsr();
    const certificatePem = await issueClient({ authority, csrPem, nodeId: NODE_ID });
    const forged = await issueServiceClient({
      authority: { certificatePem, privateKeyPem },
      name: 'admin',
    });
    const check = () =>
      verifyCertificate({ certificate: forged.certificatePem, authority: certificatePem });
    expect(check).toThrow(expect.objectContaining({ code: 'not-issued-by-authority' }));
  });
});

describe('a fingerprint', () => {
  it('is the same for PEM and DER and matches what Node says', () => {
    const { raw, fingerprint256 } = new X509Certificate(authority.certificatePem);
    expect(fingerprint(authority.certificatePem)).toBe(
      fingerprint256.replaceAll(':', '').toLowerCase(),
    );
    expect(fingerprint(raw)).toBe(fingerprint(authority.certificatePem));
    expect(() => fingerprint('nonsense')).toThrow(expect.objectContaining({ code: 'malformed' }));
  });
});

async function requestFor(
  name: 'ECDSA' | 'RSASSA-PKCS1-v1_5',
  extensions: BasicConstraintsExtension[],
) {
  const algorithm =
    name === 'ECDSA'
      ? { name, namedCurve: 'P-256', hash: 'SHA-256' }
      : { name, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: ['root'] }, { O: ['admins'] }],
    keys,
    signingAlgorithm: algorithm,
    extensions,
  });
  return request.toString('pem');
}

function pem(der: Buffer): string {
  const body = der.toString('base64').replace(/(.{64})/g, '$1\n');
  return `-----BEGIN CERTIFICATE REQUEST-----\n${body}\n-----END CERTIFICATE REQUEST-----\n`;
}

it('reads a key made elsewhere as a certificate no more than text', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ format: 'pem', type: 'spki' }).toString();
  expect(() => parseCertificate(spki)).toThrow(expect.objectContaining({ code: 'malformed' }));
});
