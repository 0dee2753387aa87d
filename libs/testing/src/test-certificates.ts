import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** PEM files of a test: one authority, one pair that serves 127.0.0.1 and also identifies a client. */
export interface TestCertificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** Makes a fresh authority and a certificate for this name and 127.0.0.1; valid for one day. */
export async function makeTestCertificates(name = 'localhost'): Promise<TestCertificates> {
  const authority = await newKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity('01', 'CN=Test authority'),
    keys: authority,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  const keys = await newKeys();
  const cert = await x509.X509CertificateGenerator.create({
    ...validity('02', `CN=${name}`),
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: authority.privateKey,
    extensions: leafExtensions(name),
  });
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    ca: ca.toString('pem'),
    cert: cert.toString('pem'),
    key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
  };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function validity(serialNumber: string, name: string) {
  return {
    serialNumber,
    subject: name,
    name,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    signingAlgorithm: ALGORITHM,
  };
}

function leafExtensions(name: string): x509.Extension[] {
  return [
    new x509.ExtendedKeyUsageExtension([
      x509.ExtendedKeyUsage.serverAuth,
      x509.ExtendedKeyUsage.clientAuth,
    ]),
    new x509.SubjectAlternativeNameExtension([
      { type: 'dns', value: name },
      { type: 'ip', value: '127.0.0.1' },
    ]),
  ];
}
