import { describe, expect, it } from '@jest/globals';
import { lookEveryMs } from './look-every.js';

describe('how often all hosts are looked at without a reason', () => {
  it.each([
    [0, 30_000],
    [2_500, 30_000],
    [10_000, 120_000],
  ])('with %i hosts every %i ms', (hosts, ms) => {
    expect(lookEveryMs(hosts)).toBe(ms);
  });

  it('is never more often than it was told', () => {
    expect([lookEveryMs(10, 50), lookEveryMs(10, 600_000)]).toEqual([120, 600_000]);
  });
});
