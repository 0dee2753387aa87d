import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { AuthorityRefusedError } from './errors.js';
import type { KeyAndCertificate } from './issue.js';
import { issuingAlgorithm } from './tls-key.js';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as Parsed,
} from './x509.js';

const BLOCKS = /-----BEGIN [A-Z0-9 ]+-----/g;
const ANY_USAGE = '2.5.29.37.0';

/**
 * Throws AuthorityRefusedError, naming part, rule and remedy, unless this is one certificate of an authority that hosts
 * can pin and programs of all kinds believe: self-signed, allowed to sign certificates of servers and clients, valid
 * now, with its own key, which is on P-256 or P-384, or RSA of at least 2048 bits.
 */
export function checkAuthority(
  { certificatePem, privateKeyPem }: KeyAndCertificate,
  now = new Date(),
): void {
  checkCertificate(certificatePem, now);
  const key = privateKeyOf(privateKeyPem);
  if (!issuingAlgorithm(key)) {
    const remedy = 'make it on P-256: openssl ecparam -name prime256v1 -genkey -noout -out ca.key';
    throw refusal('key', 'must be on P-256 or P-384, or RSA of at least 2048 bits', remedy);
  }
  if (!new X509Certificate(certificatePem).checkPrivateKey(key))
    throw refusal('key', 'is not the key of the certificate', 'give the two that belong together');
}

function checkCertificate(certificatePem: string, now: Date): void {
  if (certificatePem.match(BLOCKS)?.join() !== '-----BEGIN CERTIFICATE-----') {
    const remedy = 'give the certificate of the root alone: chains and bundles are refused';
    throw refusal('certificate', 'must be one certificate in PEM', remedy);
  }
  const certificate = parsed(certificatePem);
  if (new Parsed(certificatePem).getExtension(BasicConstraintsExtension)?.ca !== true)
    throw refusal('certificate', 'is not of an authority (CA:TRUE is missing)', MAKE_ONE);
  checkUsages(certificatePem);
  if (!certificate.checkIssued(certificate) || !certificate.verify(certificate.publicKey)) {
    const rule = 'is not self-signed, and only a root can be what hosts pin';
    throw refusal('certificate', rule, 'make a root of its own for Hostward, not an intermediate');
  }
  checkTime(certificate, now);
}

const MAKE_ONE =
  'openssl req -x509 -new -key ca.key -days 3650 -subj "/CN=Hostward CA" -out ca.pem ' +
  '-addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign';

function checkUsages(pem: string): void {
  const certificate = new Parsed(pem);
  const usages = certificate.getExtension(KeyUsagesExtension)?.usages ?? 0;
  if ((usages & KeyUsageFlags.keyCertSign) === 0)
    throw refusal('certificate', 'may not sign certificates (keyUsage keyCertSign)', MAKE_ONE);
  const extended = certificate.getExtension(ExtendedKeyUsageExtension)?.usages.map(String);
  const needed: readonly string[] = [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth];
  if (!extended || extended.includes(ANY_USAGE)) return;
  if (needed.every((usage) => extended.includes(usage))) return;
  const rule = 'may not sign for servers and clients (extendedKeyUsage)';
  throw refusal('certificate', rule, 'leave extendedKeyUsage out of a root, or name both');
}

function checkTime({ validFromDate, validToDate }: X509Certificate, now: Date): void {
  if (now < validFromDate) {
    const rule = `is valid only from ${validFromDate.toISOString()}, it is ${now.toISOString()}`;
    throw refusal('certificate', rule, 'set the clock, or wait');
  }
  if (now <= validToDate) return;
  const rule = `has expired on ${validToDate.toISOString()}`;
  throw refusal(
    'certificate',
    rule,
    'make another; a CA that is in use is replaced before its end',
  );
}

function parsed(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw refusal('certificate', 'is no certificate that can be read', MAKE_ONE, cause);
  }
}

function privateKeyOf(pem: string): KeyObject {
  if (/ENCRYPTED/.test(pem)) {
    const remedy =
      'decrypt it (openssl pkey -in ca.key -out plain.key); it is sealed where up has a passphrase';
    throw refusal('key', 'is encrypted', remedy);
  }
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw refusal('key', 'is no private key in PEM', 'give the key file of the authority', cause);
  }
}

function refusal(
  part: 'certificate' | 'key',
  rule: string,
  remedy: string,
  cause?: unknown,
): AuthorityRefusedError {
  return new AuthorityRefusedError(part, rule, remedy, { cause });
}
