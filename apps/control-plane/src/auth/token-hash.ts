import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const MAX_TOKEN_CHARS = 256;

/** sha256 of a token, hex: what is stored instead of the token. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex');
}

/** True where `token` hashes to `hash` (hex); takes the same time wherever they differ. */
export function tokenMatches(token: string, hash: string): boolean {
  const expected = Buffer.from(hash, 'hex');
  const actual = createHash('sha256')
    .update(token.slice(0, MAX_TOKEN_CHARS + 1), 'utf8')
    .digest();
  return expected.length === actual.length && timingSafeEqual(actual, expected);
}

/** The token in an Authorization header, or undefined where it is no bearer token of bounded size. */
export function bearerOf(header: string | undefined): string | undefined {
  const token = /^Bearer +([\x21-\x7e]+) *$/i.exec(header ?? '')?.[1];
  return token !== undefined && token.length <= MAX_TOKEN_CHARS ? token : undefined;
}

/** 32 random bytes in base64url behind a prefix that tells secret scanners what it is. */
export function makeToken(prefix: 'hwa' | 'hwj'): string {
  return `${prefix}_${randomBytes(32).toString('base64url')}`;
}
