import {
  type KeyObject,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto';
import { fromBase64, sha256Hex, toBase64 } from './encoding.js';
import { type Parser, base64Of, object, sha256HexText } from './shape.js';
import { malformed } from './errors.js';

const RAW_KEY_BYTES = 32;
/** SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410). */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** An Ed25519 public key as documents carry it: base64 of the 32 raw bytes, and the hex SHA-256 of those bytes. */
export interface PublicKey {
  readonly keyid: string;
  readonly key: string;
}

/** An Ed25519 key pair as it is kept at rest: `privateKey` is base64 of PKCS#8 DER. */
export interface SigningKey extends PublicKey {
  readonly privateKey: string;
}

/** Somebody who signs: a key in memory now, an agent or a token later. */
export interface Signer extends PublicKey {
  sign(message: Uint8Array): Buffer;
}

/** Makes a new Ed25519 key pair. */
export function generateSigningKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  return { ...publicPart(privateKey), privateKey: der.toString('base64') };
}

/** A signer from a private key at rest (base64 of PKCS#8 DER); anything but Ed25519 is refused. */
export function loadSigner(privateKey: string): Signer {
  const der = fromBase64(privateKey, 'private key', 4096);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  if (key.asymmetricKeyType !== 'ed25519') malformed('private key', 'must be Ed25519');
  return { ...publicPart(key), sign: (message) => sign(null, message, key) };
}

/** Key id of a raw public key in base64: hex SHA-256 of its 32 bytes. The id of a host's first key is its node id. */
export function keyIdOf(key: string): string {
  return sha256Hex(
    fromBase64(base64Of(RAW_KEY_BYTES)(key, 'public key'), 'public key', RAW_KEY_BYTES),
  );
}

/** True if `signature` is the key's Ed25519 signature over exactly these bytes. */
export function verifySignature(key: string, message: Uint8Array, signature: Uint8Array): boolean {
  return verify(null, message, ed25519KeyObject(key), signature);
}

/** Strict parser of a public key; the id must be the key's own, so that nobody can name one key and mean another. */
export const parsePublicKey: Parser<PublicKey> = (value, path) => {
  const parsed = object({ keyid: sha256HexText, key: base64Of(RAW_KEY_BYTES) })(value, path);
  if (keyIdOf(parsed.key) !== parsed.keyid)
    malformed(`${path}.keyid`, 'is not the hash of the key');
  return parsed;
};

/** Online keys, root keys and authors of one fleet, many times over; in a control plane hosts' keys come and go in it. */
const MAX_KEY_OBJECTS = 256;
const keyObjects = new Map<string, KeyObject>();

/** Node's form of a raw key, made once for a key that is used again and again. */
export function ed25519KeyObject(key: string): KeyObject {
  const known = keyObjects.get(key);
  if (known) return known;
  const made = newKeyObject(key);
  const [oldest] = keyObjects.keys();
  if (oldest !== undefined && keyObjects.size >= MAX_KEY_OBJECTS) keyObjects.delete(oldest);
  keyObjects.set(key, made);
  return made;
}

function newKeyObject(key: string): KeyObject {
  const raw = fromBase64(base64Of(RAW_KEY_BYTES)(key, 'public key'), 'public key', RAW_KEY_BYTES);
  return createPublicKey({ key: raw, format: 'raw-public', asymmetricKeyType: 'ed25519' });
}

function publicPart(privateKey: KeyObject): PublicKey {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const raw = spki.subarray(ED25519_SPKI.byteLength);
  return { keyid: sha256Hex(raw), key: toBase64(raw) };
}
