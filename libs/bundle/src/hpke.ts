import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  decapsulate,
  encapsulate,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';

/**
 * HPKE in base mode (RFC 9180) for X25519, HKDF-SHA256 and AES-256-GCM, one message: a new epoch seals a key to every
 * host, and a library on WebCrypto takes three times as long for it, and ten times as long to open one. The KEM is
 * Node's (OpenSSL), as are HKDF and AES; what is here is the key schedule of section 5.1. Tests hold it to the vectors
 * of appendix A, and to a library that opens what is sealed here and seals what is opened here.
 */
export interface HpkeSuite {
  /** `HPKE`, then the ids of KEM, KDF and AEAD. */
  readonly id: Buffer;
  /** Bytes of the AEAD's key. */
  readonly keyBytes: number;
}

/** KEM 0x0020, KDF 0x0001, AEAD 0x0002. */
const SUITE: HpkeSuite = { id: suiteId('002000010002'), keyBytes: 32 };
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ENCAPSULATED_BYTES = 32;
const NOTHING = Buffer.alloc(0);
const encapsulateTo = promisify(encapsulate);

/** The id of a suite from the hex of its three numbers. */
export function suiteId(numbers: string): Buffer {
  return Buffer.concat([Buffer.from('HPKE'), Buffer.from(numbers, 'hex')]);
}

/** What is the same for every message with this info: mode and hashes of the psk id, which is empty, and of the info. */
export function scheduleContext(info: Uint8Array, suite: HpkeSuite = SUITE): Buffer {
  return Buffer.concat([
    Buffer.of(0),
    extract(suite, NOTHING, 'psk_id_hash', NOTHING),
    extract(suite, NOTHING, 'info_hash', info),
  ]);
}

/** Key and nonce of the first message. LabeledExtract, then LabeledExpand, is HKDF as a whole: Node does it in one call. */
export function keySchedule(
  sharedSecret: Uint8Array,
  context: Uint8Array,
  suite: HpkeSuite = SUITE,
): { readonly key: Buffer; readonly nonce: Buffer } {
  const input = labeled(suite, 'secret', NOTHING);
  const derive = (label: string, length: number): Buffer => {
    const info = Buffer.concat([Buffer.of(0, length), labeled(suite, label, context)]);
    return Buffer.from(hkdfSync('sha256', input, sharedSecret, info, length));
  };
  return { key: derive('key', suite.keyBytes), nonce: derive('base_nonce', NONCE_BYTES) };
}

/**
 * Seals one message: encapsulated key (32 bytes), ciphertext and tag. The curve, nearly all of the time, is worked out
 * on Node's thread pool. Rejects on a public key of small order.
 * @param context of `scheduleContext`
 */
export async function sealOnce(
  recipient: KeyObject,
  context: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Promise<Buffer> {
  const { sharedKey, ciphertext: encapsulated } = await encapsulateTo(recipient);
  const { key, nonce } = keySchedule(sharedKey, context);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(aad);
  return Buffer.concat([
    encapsulated,
    cipher.update(plaintext),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
}

/**
 * Opens what `sealOnce` made. Throws on any other bytes, key, context or aad, and on an encapsulated key of small order.
 * @param context of `scheduleContext`
 */
export function openOnce(
  recipient: KeyObject,
  context: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Buffer {
  const end = sealed.byteLength - TAG_BYTES;
  const shared = decapsulate(recipient, sealed.subarray(0, ENCAPSULATED_BYTES));
  const { key, nonce } = keySchedule(shared, context);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const ciphertext = sealed.subarray(ENCAPSULATED_BYTES, end);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}

function extract(suite: HpkeSuite, salt: Uint8Array, label: string, input: Uint8Array): Buffer {
  return createHmac('sha256', salt)
    .update(labeled(suite, label, input))
    .digest();
}

function labeled(suite: HpkeSuite, label: string, input: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('HPKE-v1'), suite.id, Buffer.from(label), input]);
}
