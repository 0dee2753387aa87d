import { X509Certificate, createHash } from 'node:crypto';
import { CertificateRefusedError } from './errors.js';

/** What programs ask of a certificate. */
export interface CertificateFacts {
  /** The subject's common name: a node id for a host, a name for a service. */
  readonly commonName: string;
  readonly serialNumber: string;
  readonly isAuthority: boolean;
  /** As Node prints them: `DNS:a.example, IP Address:127.0.0.1`; empty without any. */
  readonly alternativeNames: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256 of the DER bytes, hex. */
  readonly fingerprint: string;
}

/** Whose a certificate is, and until when. */
export type CertificateHolder = Pick<CertificateFacts, 'commonName' | 'notAfter'>;

/** SHA-256 over the DER bytes, 64 lower-case hex digits: what people compare and agents pin. PEM or DER. */
export function fingerprint(certificate: string | Uint8Array): string {
  return fingerprintOf(parse(certificate));
}

function fingerprintOf({ raw }: X509Certificate): string {
  return createHash('sha256').update(raw).digest('hex');
}

/** Reads a certificate, PEM or DER, without believing it. */
export function parseCertificate(certificate: string | Uint8Array): CertificateFacts {
  const parsed = parse(certificate);
  return {
    ...holderOf(parsed),
    serialNumber: parsed.serialNumber.toLowerCase(),
    isAuthority: parsed.ca,
    alternativeNames: parsed.subjectAltName ?? '',
    notBefore: parsed.validFromDate,
    fingerprint: fingerprintOf(parsed),
  };
}

/** What is asked of each host that comes, so nothing else is read of it. */
export function holderOf(certificate: X509Certificate): CertificateHolder {
  return { commonName: commonNameOf(certificate), notAfter: certificate.validToDate };
}

/** The certificates in a PEM file, in their order; text around them is dropped. */
export function certificatesIn(pem: string): readonly string[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found.map((each) => `${each}\n`);
}

/** Facts of a leaf that this authority issued and that is valid now; else throws. PEM or DER. */
export function verifyCertificate(options: {
  readonly certificate: string | Uint8Array;
  readonly authority: string | Uint8Array;
  readonly now?: Date;
}): CertificateFacts {
  const leaf = parse(options.certificate);
  const authority = parse(options.authority);
  if (!isIssuedBy(options.certificate, options.authority)) {
    throw new CertificateRefusedError(
      'not-issued-by-authority',
      'certificate: was not issued by this authority',
    );
  }
  const now = options.now ?? new Date();
  for (const certificate of [leaf, authority]) checkValidity(certificate, now);
  return parseCertificate(options.certificate);
}

/** Whether this authority signed the certificate, valid now or not. PEM (the first of it) or DER. */
export function isIssuedBy(
  certificate: string | Uint8Array,
  authority: string | Uint8Array,
): boolean {
  const [leaf, issuer] = [parse(certificate), parse(authority)];
  return issuer.ca && leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey);
}

function checkValidity({ validFromDate, validToDate }: X509Certificate, now: Date): void {
  if (now >= validFromDate && now <= validToDate) return;
  const span = `${validFromDate.toISOString()} to ${validToDate.toISOString()}`;
  throw new CertificateRefusedError(
    'not-valid-now',
    `certificate: valid from ${span}, it is ${now.toISOString()}`,
  );
}

function parse(certificate: string | Uint8Array): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (cause) {
    throw new CertificateRefusedError('malformed', 'certificate: is neither PEM nor DER', {
      cause,
    });
  }
}

/** Our subjects are one common name; a line that starts otherwise is not ours. */
function commonNameOf({ subject }: X509Certificate): string {
  const line = subject.split('\n').find((part) => part.startsWith('CN='));
  return line?.slice('CN='.length) ?? '';
}
