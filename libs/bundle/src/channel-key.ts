import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { fromBase64, toBase64 } from './encoding.js';
import { RefusedError, malformed } from './errors.js';
import { openOnce, scheduleContext, sealOnce } from './hpke.js';
import { base64Of } from './shape.js';

const KEY_BYTES = 32;
const SEALED_BYTES = 32 + KEY_BYTES + 16;
/** SubjectPublicKeyInfo of an X25519 key up to the key itself (RFC 8410). */
const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex');
const CONTEXT = scheduleContext(Buffer.from('hostward/v1/channel-key', 'utf8'));

/** A host's X25519 key pair: `sealingKey` is base64 of 32 raw bytes, `privateKey` base64 of PKCS#8 DER. */
export interface SealingKey {
  readonly sealingKey: string;
  readonly privateKey: string;
}

/** Makes the key pair to which channel keys are sealed; on the host, which never gives the private part away. */
export function generateSealingKey(): SealingKey {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(X25519_SPKI.byteLength);
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  return { sealingKey: toBase64(raw), privateKey: der.toString('base64') };
}

/** 32 random bytes: the key that a host and the control plane share for one epoch. */
export function generateChannelKey(): Buffer {
  return randomBytes(KEY_BYTES);
}

/** Refuses what is not a usable X25519 public key, points of small order among them. */
export function checkSealingKey(sealingKey: string): void {
  const publicKey = publicKeyOf(sealingKey);
  try {
    diffieHellman({ privateKey: generateKeyPairSync('x25519').privateKey, publicKey });
  } catch (cause) {
    throw new RefusedError('malformed', 'sealing key: is not a usable X25519 key', { cause });
  }
}

/**
 * HPKE (RFC 9180, base mode, X25519, HKDF-SHA256, AES-256-GCM) of a channel key to a host, bound to node and epoch.
 * Base64 of encapsulated key (32) and ciphertext (48). Base mode proves no sender: a host believes a key only because
 * it opens a leaf of a signed commit.
 */
export async function sealChannelKey(
  channelKey: Uint8Array,
  to: { readonly sealingKey: string; readonly nodeId: string; readonly epoch: string },
): Promise<string> {
  if (channelKey.byteLength !== KEY_BYTES) malformed('channel key', `must be ${KEY_BYTES} bytes`);
  return toBase64(await sealOnce(publicKeyOf(to.sealingKey), CONTEXT, binding(to), channelKey));
}

/** Opens a sealed channel key for a host. */
export type ChannelKeyOpener = (
  sealed: string,
  as: { readonly privateKey: string; readonly nodeId: string; readonly epoch: string },
) => Promise<Buffer>;

/**
 * Opens like `openChannelKey` and remembers the last key: within an epoch every record carries the same sealed one, and
 * HPKE is a dear step of verifying it. Keyed by everything that the answer depends on.
 */
export function rememberingOpener(): ChannelKeyOpener {
  let last: { readonly asked: string; readonly key: Buffer } | undefined;
  return async (sealed, as) => {
    const asked = JSON.stringify([sealed, as.privateKey, as.nodeId, as.epoch]);
    if (last?.asked !== asked) last = { asked, key: await openChannelKey(sealed, as) };
    return Buffer.from(last.key);
  };
}

/** The channel key, or `not-for-this-node` if it was sealed to another key, node or epoch, or was changed. */
export const openChannelKey: ChannelKeyOpener = (sealed, as) =>
  Promise.try(() => {
    const bytes = Buffer.from(base64Of(SEALED_BYTES)(sealed, 'sealedChannelKey'), 'base64');
    const recipient = privateKeyOf(as.privateKey);
    try {
      return openOnce(recipient, CONTEXT, binding(as), bytes);
    } catch (cause) {
      const message =
        'sealedChannelKey: does not open with the sealing key of this host, node id and epoch';
      throw new RefusedError('not-for-this-node', message, { cause });
    }
  });

function binding({ nodeId, epoch }: { readonly nodeId: string; readonly epoch: string }): Buffer {
  return Buffer.from(`${nodeId}\0${epoch}`, 'utf8');
}

/** The public part of a `SealingKey`. */
export function publicKeyOf(sealingKey: string): KeyObject {
  const raw = Buffer.from(base64Of(KEY_BYTES)(sealingKey, 'sealing key'), 'base64');
  return createPublicKey({ key: raw, format: 'raw-public', asymmetricKeyType: 'x25519' });
}

/** The private part of a `SealingKey`. */
export function privateKeyOf(privateKey: string): KeyObject {
  const der = fromBase64(privateKey, 'sealing private key', 4096);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  if (key.asymmetricKeyType !== 'x25519') malformed('sealing private key', 'must be X25519');
  return key;
}
