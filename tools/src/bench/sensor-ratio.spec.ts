import { describe, expect, it } from '@jest/globals';
import { productOf, ratioOf, verdictOf } from './sensor-ratio.js';

describe('the ratio of rounds', () => {
  it('is exact where all rounds agree', () => {
    const { ratio, low, high } = ratioOf([2, 4, 6], [1, 2, 3]);
    expect([ratio, low, high].map((n) => n.toFixed(6))).toEqual([
      '2.000000',
      '2.000000',
      '2.000000',
    ]);
  });

  it('has an interval that holds it and grows with what the rounds differ by', () => {
    const near = ratioOf([1, 1.1, 1.2], [1, 1, 1]);
    const far = ratioOf([1, 1.5, 2], [1, 1, 1]);
    expect(near.low).toBeLessThan(near.ratio);
    expect(near.high).toBeGreaterThan(near.ratio);
    expect(far.high / far.low).toBeGreaterThan(near.high / near.low);
  });

  it('says nothing sure of a single round', () => {
    expect(ratioOf([2], [1])).toEqual({ ratio: 2, low: 0, high: Infinity });
  });
});

describe('the verdict on an aim', () => {
  it.each([
    [{ ratio: 1.1, low: 1.05, high: 1.14 }, 'met'],
    [{ ratio: 1.3, low: 1.2, high: 1.4 }, 'missed'],
    [{ ratio: 1.2, low: 1.1, high: 1.3 }, 'undecided'],
  ] as const)('of %j within x1.15 is %s', (ratio, verdict) => {
    expect(verdictOf(ratio, 1.15)).toBe(verdict);
  });
});

describe('the product of two ratios', () => {
  it('is less sure than either', () => {
    const [a, b] = [ratioOf([1, 1.1, 1.2], [1, 1, 1]), ratioOf([2, 2.1, 2.2], [1, 1, 1])];
    const { ratio, low, high } = productOf(a, b);
    expect(ratio).toBeCloseTo(a.ratio * b.ratio);
    expect(high / low).toBeGreaterThan(Math.max(a.high / a.low, b.high / b.low));
  });
});
