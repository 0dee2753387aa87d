import { fromBase64, toBase64 } from './encoding.js';
import { RefusedError } from './errors.js';
import { privateKeyOf, publicKeyOf } from './channel-key.js';
import { openOnce, scheduleContext, sealOnce } from './hpke.js';

const CONTEXT = scheduleContext(Buffer.from('hostward/v1/replica-keys', 'utf8'));
const NOTHING = Buffer.alloc(0);
const MOST_BYTES = 1_048_576;

/**
 * HPKE (as for channel keys, under a label of its own) of what control planes have in common, to the sealing key of a
 * replica; base64. Base mode proves no sender: whoever takes it must know from whom it comes.
 */
export async function sealReplicaKeys(keys: Uint8Array, sealingKey: string): Promise<string> {
  return toBase64(await sealOnce(publicKeyOf(sealingKey), CONTEXT, NOTHING, keys));
}

/** What was sealed; `not-for-this-node` if it was sealed to another key, or was changed. */
export function openReplicaKeys(sealed: string, privateKey: string): Buffer {
  const bytes = fromBase64(sealed, 'sealed keys', MOST_BYTES);
  const recipient = privateKeyOf(privateKey);
  try {
    return openOnce(recipient, CONTEXT, NOTHING, bytes);
  } catch (cause) {
    const message = 'sealed keys: do not open with the key of this replica';
    throw new RefusedError('not-for-this-node', message, { cause });
  }
}
