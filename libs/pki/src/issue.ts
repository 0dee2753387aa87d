import { randomBytes, type webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  type Extension,
  type JsonGeneralNames,
  type PublicKeyType,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from './x509.js';
import { TLS_SIGNATURE, issuingKeyFromPem } from './tls-key.js';
import type { Validity } from './validity.js';

/** A certificate and its private key, both PEM. */
export interface KeyAndCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** What differs between the kinds of certificates; `commonName` at most 64 characters (RFC 5280). */
export interface CertificateContent {
  readonly commonName: string;
  readonly publicKey: PublicKeyType;
  readonly validity: Validity;
  readonly extensions: readonly Extension[];
  readonly alternativeNames?: JsonGeneralNames;
}

/** Issues under an authority; key identifiers (RFC 5280, 4.2.1.1 and 4.2.1.2) are added. PEM. */
export async function issueUnder(
  authority: KeyAndCertificate,
  content: CertificateContent,
): Promise<string> {
  const issuer = new X509Certificate(authority.certificatePem);
  const { key: signingKey, algorithm } = await issuingKeyFromPem(authority.privateKeyPem);
  const names = content.alternativeNames;
  const extensions = [
    ...content.extensions,
    ...(names ? [new SubjectAlternativeNameExtension(names)] : []),
    await SubjectKeyIdentifierExtension.create(content.publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
  ];
  const subject = nameOf(content.commonName);
  const signed = { signingKey, signingAlgorithm: algorithm };
  return generate({ ...content, ...signed, subject, issuer: issuer.subjectName, extensions });
}

/** Issues a certificate that signs itself: an authority. PEM. */
export async function issueSelfSigned(
  content: CertificateContent,
  signingKey: webcrypto.CryptoKey,
): Promise<string> {
  const name = nameOf(content.commonName);
  const extensions = [
    ...content.extensions,
    await SubjectKeyIdentifierExtension.create(content.publicKey),
  ];
  const signed = { signingKey, signingAlgorithm: TLS_SIGNATURE };
  return generate({ ...content, ...signed, subject: name, issuer: name, extensions });
}

type GeneratorInput = Parameters<typeof X509CertificateGenerator.create>[0] & {
  readonly validity: Validity;
};

async function generate({ validity, ...parameters }: GeneratorInput): Promise<string> {
  const certificate = await X509CertificateGenerator.create({
    ...parameters,
    ...validity,
    serialNumber: serialNumber(),
  });
  return `${certificate.toString('pem')}\n`;
}

/** As data, not as text, so that no character of a name can add an attribute. */
function nameOf(commonName: string): { readonly CN: string[] }[] {
  if (commonName.length === 0 || commonName.length > 64) {
    throw new RangeError('a common name has 1 to 64 characters');
  }
  return [{ CN: [commonName] }];
}

/** 127 random bits, positive and never zero in the first byte. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}
