import { createCipheriv, createHmac, encapsulate, type KeyObject } from 'node:crypto';

/**
 * The sender's half of HPKE in base mode (RFC 9180) for X25519, HKDF-SHA256 and AES-256-GCM: a new epoch seals a key to
 * every host, and the library takes three times as long for it. The KEM is Node's (OpenSSL), as are HMAC and AES; what
 * is here is the key schedule of section 5.1, held to the vectors of appendix A and to what the library opens. Hosts
 * open with the library.
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
const NOTHING = Buffer.alloc(0);

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

/** Key and nonce of the first message. */
export function keySchedule(
  sharedSecret: Uint8Array,
  context: Uint8Array,
  suite: HpkeSuite = SUITE,
): { readonly key: Buffer; readonly nonce: Buffer } {
  const secret = extract(suite, sharedSecret, 'secret', NOTHING);
  return {
    key: expand(suite, secret, 'key', context, suite.keyBytes),
    nonce: expand(suite, secret, 'base_nonce', context, NONCE_BYTES),
  };
}

/**
 * Seals one message: encapsulated key (32 bytes), ciphertext and tag. Throws on a public key of small order.
 * @param context of `scheduleContext`
 */
export function sealOnce(
  recipient: KeyObject,
  context: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Buffer {
  const { sharedKey, ciphertext: encapsulated } = encapsulate(recipient);
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

function extract(suite: HpkeSuite, salt: Uint8Array, label: string, input: Uint8Array): Buffer {
  return createHmac('sha256', salt)
    .update('HPKE-v1')
    .update(suite.id)
    .update(label)
    .update(input)
    .digest();
}

/** One block of HKDF: nothing here is longer than a hash. */
function expand(
  suite: HpkeSuite,
  secret: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Buffer {
  const block = createHmac('sha256', secret)
    .update(Buffer.of(0, length))
    .update('HPKE-v1')
    .update(suite.id)
    .update(label)
    .update(info)
    .update(Buffer.of(1))
    .digest();
  return block.subarray(0, length);
}
