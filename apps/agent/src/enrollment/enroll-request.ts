import { createPrivateKey, createPublicKey } from 'node:crypto';
import { hostname } from 'node:os';
import { loadSigner, signEnrollment } from '#bundle';
import type { EnrollRequest } from '#contracts';
import { secretHash } from './redis-secret.js';

/**
 * Private keys of the host, base64 of PKCS #8 DER, the request (PEM) for the certificate of its TLS key, and its secret
 * for Redis, of which only the hash is sent.
 */
export interface HostSecrets {
  readonly signingKey: string;
  readonly sealingKey: string;
  readonly csr: string;
  readonly redisSecret: string;
}

/** The request, signed by the host's key. */
export function enrollRequest(secrets: HostSecrets, token: string, name: string): EnrollRequest {
  const signer = loadSigner(secrets.signingKey);
  const sealingKey = publicSealingKey(secrets.sealingKey);
  const redisSecretHash = secretHash(secrets.redisSecret);
  const signed = { name, sealingKey, redisSecretHash, csr: secrets.csr };
  const signature = signEnrollment(signed, signer);
  return { token, hostname: hostname(), signingKey: signer.key, signature, ...signed };
}

/** Base64 of the 32 raw bytes of the public key of an X25519 private key. */
function publicSealingKey(privateKey: string): string {
  const key = createPrivateKey({
    key: Buffer.from(privateKey, 'base64'),
    format: 'der',
    type: 'pkcs8',
  });
  return createPublicKey(key)
    .export({ format: 'der', type: 'spki' })
    .subarray(-32)
    .toString('base64');
}
