import { createPrivateKey, webcrypto, type KeyObject } from 'node:crypto';

/** Keys for TLS: ECDSA on P-256, which Node, etcd and Redis all speak. */
const TLS_KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
export const TLS_SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** A new pair; the private key can be exported once, to PEM. */
export async function generateTlsKey(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(TLS_KEY, true, ['sign', 'verify']);
}

/** PKCS#8 PEM, not encrypted: the file's mode is its protection. */
export async function privateKeyToPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString();
}

/** A key for signing only, which cannot be exported again, and how it signs. */
export interface IssuingKey {
  readonly key: webcrypto.CryptoKey;
  readonly algorithm: IssuingAlgorithm;
}

type IssuingAlgorithm =
  | { readonly name: 'ECDSA'; readonly namedCurve: string; readonly hash: string }
  | { readonly name: 'RSASSA-PKCS1-v1_5'; readonly hash: string };

/** Smallest RSA key of an authority, in bits. */
const MIN_RSA_BITS = 2_048;

/** The key of an authority: ECDSA on P-256 or P-384, or RSA. Throws RangeError for another. */
export async function issuingKeyFromPem(pem: string): Promise<IssuingKey> {
  const key = createPrivateKey(pem);
  const algorithm = issuingAlgorithm(key);
  if (!algorithm) throw new RangeError('an authority has a key on P-256 or P-384, or RSA of 2048');
  const der = new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
  return {
    key: await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']),
    algorithm,
  };
}

/** How a key signs certificates; undefined for one that an authority may not have. */
export function issuingAlgorithm({
  asymmetricKeyType: type,
  asymmetricKeyDetails: details = {},
}: KeyObject): IssuingAlgorithm | undefined {
  if (type === 'ec' && details.namedCurve === 'prime256v1')
    return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  if (type === 'ec' && details.namedCurve === 'secp384r1')
    return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
  const isLong = (details.modulusLength ?? 0) >= MIN_RSA_BITS;
  return type === 'rsa' && isLong ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } : undefined;
}
