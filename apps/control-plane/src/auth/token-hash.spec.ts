import { describe, expect, it } from '@jest/globals';
import { hashToken, makeToken, tokenMatches } from './token-hash.js';

describe('a token', () => {
  const token = makeToken('hwa');
  const hash = hashToken(token);

  it('matches its own hash alone', () => {
    expect(tokenMatches(token, hash)).toBe(true);
    expect(tokenMatches(makeToken('hwa'), hash)).toBe(false);
  });

  it.each([0, 3, 4, 8, 16, 31])('is refused where byte %d of the hash differs', (at) => {
    const other = Buffer.from(hash, 'hex');
    other.writeUInt8(other.readUInt8(at) ^ 1, at);
    expect(tokenMatches(token, other.toString('hex'))).toBe(false);
  });

  it('is refused where the hash is shorter or empty', () => {
    expect(tokenMatches(token, hash.slice(0, 8))).toBe(false);
    expect(tokenMatches(token, '')).toBe(false);
  });
});
