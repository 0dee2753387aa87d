import { describe, expect, it } from '@jest/globals';
import { RateLimit } from '../http/rate-limit.js';
import { bearerOf, hashToken, makeToken, tokenMatches } from '../auth/token-hash.js';

describe('a token', () => {
  it('matches its own hash only', () => {
    const token = makeToken('hwa');
    expect(tokenMatches(token, hashToken(token))).toBe(true);
    expect(tokenMatches(`${token}x`, hashToken(token))).toBe(false);
    expect(tokenMatches('', hashToken(token))).toBe(false);
    expect(tokenMatches(token, 'not a hash')).toBe(false);
    expect(tokenMatches(token, '')).toBe(false);
  });

  it.each([
    ['Bearer abc', 'abc'],
    ['bearer   abc', 'abc'],
    ['Basic abc', undefined],
    ['Bearer', undefined],
    ['Bearer a b', undefined],
    [`Bearer ${'a'.repeat(10_000)}`, undefined],
    [undefined, undefined],
  ])('is read from %p', (header, token) => {
    expect(bearerOf(header)).toBe(token);
  });
});

describe('a rate limit', () => {
  const options = { burst: 2, refillMs: 1_000, maxCallers: 2 };

  it('lets a burst pass and then one per refill', () => {
    const limit = new RateLimit(options);
    expect([limit.take('a', 0), limit.take('a', 0), limit.take('a', 0)]).toEqual([0, 0, 1_000]);
    expect(limit.take('a', 1_000)).toBe(0);
    expect(limit.take('a', 1_500)).toBe(500);
  });

  it('counts callers apart and forgets the longest idle when there are too many', () => {
    const limit = new RateLimit(options);
    for (const caller of ['a', 'a', 'b', 'c']) limit.take(caller, 0);
    expect(limit.take('c', 0)).toBe(0);
    expect(limit.take('a', 0)).toBe(0);
  });

  it('is not fooled by a clock that goes back', () => {
    const limit = new RateLimit(options);
    limit.take('a', 10_000);
    limit.take('a', 10_000);
    expect(limit.take('a', 0)).toBe(1_000);
  });
});
