import { createHash, hash } from 'node:crypto';
import { RefusedError, malformed } from './errors.js';

/** SHA-256 of the parts, one after another. */
export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** SHA-256 as 64 lower-case hex digits: the form of node ids, key ids and bundle digests. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** Standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = bytes;
  const view = Buffer.isBuffer(bytes) ? bytes : Buffer.from(buffer, byteOffset, byteLength);
  return view.toString('base64');
}

/**
 * Strict base64: only the one spelling that an encoder makes is taken. Node's decoder skips what it does not know,
 * which would give several texts for the same bytes.
 */
export function fromBase64(text: string, path: string, maxBytes: number): Buffer {
  if (text.length > Math.ceil(maxBytes / 3) * 4) {
    throw new RefusedError('too-large', `${path}: more than ${maxBytes} bytes`);
  }
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) malformed(path, 'is not standard base64');
  return bytes;
}
