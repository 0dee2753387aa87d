import { createPrivateKey, webcrypto } from 'node:crypto';

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

/** For signing only; cannot be exported again. */
export async function privateKeyFromPem(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' });
  return webcrypto.subtle.importKey('pkcs8', new Uint8Array(der), TLS_KEY, false, ['sign']);
}
