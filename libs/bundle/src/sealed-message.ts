import { createCipheriv, createDecipheriv, hkdfSync, randomFillSync } from 'node:crypto';
import { RefusedError, malformed } from './errors.js';

/**
 * What passes under a host's key, one purpose each, so that nothing sent in one direction can come back in the other.
 * `assignment` and `cursor` go down to the host, `report`, `signedStatus` and `events` come up.
 */
export type Purpose = 'assignment' | 'report' | 'events' | 'cursor' | 'signed-status';

const PURPOSE_BYTE: Readonly<Record<Purpose, number>> = {
  assignment: 1,
  report: 2,
  events: 3,
  cursor: 4,
  'signed-status': 5,
};
const FORMAT = 1;
const KEY_BYTES = 32;
const HINT_BYTES = 8;
const HEADER_BYTES = 2 + HINT_BYTES;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/**
 * Layout: format (1), purpose (1), key hint (8), nonce (12), AES-256-GCM ciphertext, tag (16). Key and hint come from
 * the host's key by HKDF-SHA256 with the purpose as label; nonces are random, which is safe for 2^32 messages a key
 * (a report every ten seconds for 1,300 years). `context` (node id first) and the header are authenticated with it.
 */
export function sealMessage(
  channelKey: Uint8Array,
  purpose: Purpose,
  context: readonly string[],
  plaintext: Uint8Array,
): Buffer {
  return sealBound(channelKey, purpose, associatedData(purpose, context), plaintext);
}

/** As `sealMessage`, with what `associatedData` gave: for who seals many messages and keeps most of it. */
export function sealBound(
  channelKey: Uint8Array,
  purpose: Purpose,
  bound: Buffer,
  plaintext: Uint8Array,
): Buffer {
  const { key, header } = derive(channelKey, purpose);
  const nonce = freshNonce();
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  bound.set(header);
  cipher.setAAD(bound);
  const sealed = Buffer.allocUnsafe(plaintext.byteLength + OVERHEAD_BYTES);
  sealed.set(header);
  sealed.set(nonce, HEADER_BYTES);
  // GCM gives out all at once: nothing is left for `final`, which makes the tag.
  sealed.set(cipher.update(plaintext), HEADER_BYTES + NONCE_BYTES);
  cipher.final();
  sealed.set(cipher.getAuthTag(), sealed.byteLength - TAG_BYTES);
  return sealed;
}

/** `unknown-key`: sealed under another channel key (another epoch's, say); `bad-seal`: changed, or of another context. */
export function openMessage(
  channelKey: Uint8Array,
  purpose: Purpose,
  context: readonly string[],
  sealed: Uint8Array,
  maxBytes: number,
): Buffer {
  if (sealed.byteLength > maxBytes + OVERHEAD_BYTES) {
    throw new RefusedError(
      'too-large',
      `${purpose}: ${sealed.byteLength} bytes, at most ${maxBytes} of content`,
    );
  }
  if (sealed.byteLength < OVERHEAD_BYTES) malformed(purpose, 'is cut short');
  const { key, header } = derive(channelKey, purpose);
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  checkHeader(bytes.subarray(0, HEADER_BYTES), header, purpose);
  const bound = associatedData(purpose, context);
  bound.set(header);
  return decrypt(key, bound, bytes, purpose);
}

function checkHeader(found: Buffer, expected: Buffer, purpose: Purpose): void {
  if (found[0] !== FORMAT)
    throw new RefusedError('unsupported-version', `${purpose}: unknown format`);
  if (found[1] !== expected[1]) malformed(purpose, 'was sealed for another purpose');
  if (!found.equals(expected))
    throw new RefusedError('unknown-key', `${purpose}: sealed under another channel key`);
}

function decrypt(key: Buffer, aad: Buffer, bytes: Buffer, purpose: Purpose): Buffer {
  const end = bytes.byteLength - TAG_BYTES;
  const start = HEADER_BYTES + NONCE_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(HEADER_BYTES, start), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(aad);
  decipher.setAuthTag(bytes.subarray(end));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(start, end)), decipher.final()]);
  } catch (cause) {
    throw new RefusedError('bad-seal', `${purpose}: does not open under this host's key`, {
      cause,
    });
  }
}

/** Random bytes are asked for many nonces at a time: a call for each costs more than the hash of its message. */
const nonces = { bytes: Buffer.alloc(1024 * NONCE_BYTES), used: 1024 * NONCE_BYTES };
const lastNonce = Buffer.alloc(NONCE_BYTES);

/** Twelve random bytes that were never given out before, good until the next call. */
function freshNonce(): Buffer {
  if (nonces.used === nonces.bytes.byteLength) {
    randomFillSync(nonces.bytes);
    nonces.used = 0;
  }
  nonces.bytes.copy(lastNonce, 0, nonces.used, nonces.used + NONCE_BYTES);
  nonces.used += NONCE_BYTES;
  return lastNonce;
}

interface Derived {
  readonly key: Buffer;
  readonly header: Buffer;
}

/**
 * What was derived from a channel key, key and header in one piece, for as long as the channel key's bytes are in memory: the
 * control plane seals and opens under the same key again and again, and HKDF costs as much as the encryption. By
 * identity: nobody writes into a channel key.
 */
const derivedFrom: Readonly<Record<Purpose, WeakMap<Uint8Array, Uint8Array>>> = {
  assignment: new WeakMap(),
  report: new WeakMap(),
  events: new WeakMap(),
  cursor: new WeakMap(),
  'signed-status': new WeakMap(),
};

/** What the last message was sealed or opened under: with ten thousand channel keys, all else is far off in memory. */
const current = Buffer.alloc(KEY_BYTES + HEADER_BYTES);
const derived: Derived = {
  key: current.subarray(0, KEY_BYTES),
  header: current.subarray(KEY_BYTES),
};

/** Good until the next call. */
function derive(channelKey: Uint8Array, purpose: Purpose): Derived {
  let bytes = derivedFrom[purpose].get(channelKey);
  if (!bytes) {
    bytes = expand(channelKey, purpose);
    derivedFrom[purpose].set(channelKey, bytes);
  }
  current.set(bytes);
  return derived;
}

/** The hint tells an old key from a forgery; it is one more output of HKDF and says nothing about the key. */
function expand(channelKey: Uint8Array, purpose: Purpose): Uint8Array {
  const info = `hostward/v1/channel-key/${purpose}`;
  const output = new Uint8Array(hkdfSync('sha256', channelKey, '', info, KEY_BYTES + HINT_BYTES));
  const bytes = new Uint8Array(KEY_BYTES + HEADER_BYTES);
  bytes.set(output.subarray(0, KEY_BYTES));
  bytes.set([FORMAT, PURPOSE_BYTE[purpose]], KEY_BYTES);
  bytes.set(output.subarray(KEY_BYTES), KEY_BYTES + 2);
  return bytes;
}

/**
 * What is authenticated with a message, with room in front for its header. No part may hold a NUL: node ids are hex,
 * assignment versions decimal.
 */
export function associatedData(purpose: Purpose, context: readonly string[]): Buffer {
  const text = `hostward/v1\0${purpose}\0${context.join('\0')}`;
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + Buffer.byteLength(text));
  bytes.write(text, HEADER_BYTES, 'utf8');
  return bytes;
}
