import { describe, expect, it } from '@jest/globals';
import { Backoff } from './backoff.js';

describe('the backoff', () => {
  it('doubles its ceiling up to the maximum and begins anew after a success', () => {
    const backoff = new Backoff(1_000, () => 1);
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.nextMs())).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
    backoff.reset();
    expect(backoff.nextMs()).toBe(100);
  });

  it('can be as short as nothing, so that clients never come back in step', () => {
    expect(new Backoff(1_000, () => 0).nextMs()).toBe(0);
  });

  it('stops waiting when told to', async () => {
    const stopped = AbortSignal.abort();
    await expect(new Backoff(3_600_000, () => 1).wait(stopped)).resolves.toBeUndefined();
  });
});
