import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { matching, oneOf, record, type Read } from '../http/shape.js';
import { Mutex } from '../http/mutex.js';

/** A secret's hash with all that is needed to compute it again; base64. */
export interface SecretHash {
  readonly kdf: 'scrypt-32768-8-1';
  readonly salt: string;
  readonly hash: string;
}

/** N, r and p of RFC 7914: 32 MiB and some 70 ms on a core. Named as one, so that no record can ask for others. */
const KDF = 'scrypt-32768-8-1';
const COST: ScryptOptions = { N: 32_768, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const BYTES = 32;
/** Each takes 32 MiB while it runs: one after another, and no long queue. */
const MAX_WAITING = 32;

const mutex = new Mutex(MAX_WAITING, 'secrets to check');

/** Strict reader of a stored hash. */
export const secretHash: Read<SecretHash> = record<SecretHash>({
  kdf: oneOf([KDF]),
  salt: matching(/^[A-Za-z0-9+/]{22}==$/, 'must be base64 of 16 bytes'),
  hash: matching(/^[A-Za-z0-9+/]{43}=$/, 'must be base64 of 32 bytes'),
});

/** Hashes a secret with a salt of its own. Throws 503 where too many are waiting. */
export async function hashSecret(secret: string): Promise<SecretHash> {
  const salt = randomBytes(16);
  const hash = await derive(secret, salt);
  return { kdf: KDF, salt: salt.toString('base64'), hash: hash.toString('base64') };
}

/**
 * Whether `secret` is the one that was hashed. Without a hash (an unknown user) the same work is done and the answer
 * is no, so that the time tells nothing.
 */
export async function secretMatches(
  secret: string,
  stored: SecretHash | undefined,
): Promise<boolean> {
  const { salt, hash } = stored ?? NOBODY;
  const expected = Buffer.from(hash, 'base64');
  const actual = await derive(secret, Buffer.from(salt, 'base64'));
  return timingSafeEqual(actual, expected) && stored !== undefined;
}

const NOBODY = {
  salt: randomBytes(16).toString('base64'),
  hash: randomBytes(BYTES).toString('base64'),
};

function derive(secret: string, salt: Buffer): Promise<Buffer> {
  return mutex.run(
    () =>
      new Promise((resolve, reject) => {
        scrypt(secret.normalize('NFC'), salt, BYTES, COST, (error, key) => {
          if (error) reject(error);
          else resolve(key);
        });
      }),
  );
}
