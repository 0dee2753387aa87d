import { createPublicKey } from 'node:crypto';
import {
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  type PublicKey,
} from './x509.js';
import { CertificateRefusedError } from './errors.js';
import { TLS_SIGNATURE, generateTlsKey, privateKeyToPem } from './tls-key.js';

/** A P-256 request with its attributes takes 0.5 kB. */
const MAX_CSR_CHARS = 8192;
const CSR_PEM =
  /^\s*-----BEGIN CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE REQUEST-----\s*$/;

/** A TLS key made on the host and the request for its certificate, both PEM; the authority chooses the subject. */
export async function createCsr(): Promise<{
  readonly csrPem: string;
  readonly privateKeyPem: string;
}> {
  const keys = await generateTlsKey();
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: ['hostward-host'] }],
    keys,
    signingAlgorithm: TLS_SIGNATURE,
  });
  return {
    csrPem: `${request.toString('pem')}\n`,
    privateKeyPem: await privateKeyToPem(keys.privateKey),
  };
}

/** Throws CertificateRefusedError for a request of which no certificate would be issued. */
export async function checkCsr(csrPem: string): Promise<void> {
  await readRequest(csrPem);
}

/** The public key of a request whose owner has shown to hold the private one. */
export async function readRequest(csrPem: string): Promise<PublicKey> {
  const request = parseRequest(csrPem);
  if (!isP256(request.publicKey)) {
    throw new CertificateRefusedError('weak-key', 'csr: its key must be ECDSA on P-256');
  }
  if (!(await isSignedByItsKey(request))) {
    throw new CertificateRefusedError(
      'no-proof-of-possession',
      'csr: is not signed by its own key',
    );
  }
  return request.publicKey;
}

/** Asked of Node, whose types are complete without a browser's; a key that cannot be read is none. */
function isP256({ rawData }: PublicKey): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(rawData), format: 'der', type: 'spki' });
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  } catch {
    return false;
  }
}

function parseRequest(csrPem: string): Pkcs10CertificateRequest {
  if (csrPem.length > MAX_CSR_CHARS || !CSR_PEM.test(csrPem)) {
    throw new CertificateRefusedError(
      'malformed',
      `csr: must be one PEM request of at most ${MAX_CSR_CHARS} characters`,
    );
  }
  try {
    return new Pkcs10CertificateRequest(csrPem);
  } catch (cause) {
    throw new CertificateRefusedError('malformed', 'csr: is not a PKCS#10 request', { cause });
  }
}

/** A signature that cannot even be read is no proof. */
async function isSignedByItsKey(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify();
  } catch {
    return false;
  }
}
