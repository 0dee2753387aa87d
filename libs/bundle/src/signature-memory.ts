import { hash, type KeyObject, verify } from 'node:crypto';
import { promisify } from 'node:util';

/** An Ed25519 public key in Node's form and as its 32 raw bytes. */
export interface VerifyingKey {
  readonly object: KeyObject;
  readonly raw: Buffer;
}

/** A signature that somebody claims to be of a key over a message. */
export interface ClaimedSignature {
  readonly key: VerifyingKey;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Twice the documents that the largest bundle holds; each takes about 100 bytes. */
const REMEMBERED = 16_384;

/**
 * Good signatures of this process, by SHA-256 over key, signature and message, the oldest first. Whether a signature is
 * good depends on these three and on nothing else, never on who is trusted at the time, so an answer stays true; what
 * was not good is not remembered. A delivery changes one document of many: the others need no curve again.
 */
const good = new Set<string>();
const verifyOnPool = promisify(verify);
/** Fewer are done sooner here: handing over and waking up cost as much as some of them, more on a busy machine. */
const WORTH_THE_POOL = 8;
/** This thread, and those of Node's pool (4) that find a core beside it. */
const AT_ONCE = Math.min(navigator.hardwareConcurrency, 5);

/** True if the signature is good: from memory, or by Ed25519. */
export function isGoodSignature(claimed: ClaimedSignature): boolean {
  const name = nameOf(claimed);
  if (good.has(name)) return true;
  const { key, message, signature } = claimed;
  if (!verify(null, message, key.object, signature)) return false;
  remember(name);
  return true;
}

/**
 * Verifies those that are not remembered on this thread and, where there are cores for it, on those of Node's pool, so
 * that `isGoodSignature` finds the good ones in memory. Decides nothing: who asks afterwards gets the same answers, only
 * sooner.
 */
export async function verifyAhead(claims: readonly ClaimedSignature[]): Promise<void> {
  const unknown = claims.filter((claimed) => !good.has(nameOf(claimed)));
  if (unknown.length < WORTH_THE_POOL) return;
  const here = Math.ceil(unknown.length / AT_ONCE);
  const onPool = Promise.all(unknown.slice(here).map(rememberFromPool));
  unknown.slice(0, here).forEach(isGoodSignature);
  await onPool;
}

async function rememberFromPool(claimed: ClaimedSignature): Promise<void> {
  const { key, message, signature } = claimed;
  if (await verifyOnPool(null, message, key.object, signature)) remember(nameOf(claimed));
}

/** For the bench, which shows what the first delivery of a process costs. */
export function forgetSignatures(): void {
  good.clear();
}

function remember(name: string): void {
  for (const oldest of good) {
    if (good.size < REMEMBERED) break;
    good.delete(oldest);
  }
  good.add(name);
}

/** Key and signature have fixed sizes (32 and 64 bytes), so the three cannot be cut in another way. */
function nameOf({ key, signature, message }: ClaimedSignature): string {
  return hash('sha256', Buffer.concat([key.raw, signature, message]), 'base64');
}
