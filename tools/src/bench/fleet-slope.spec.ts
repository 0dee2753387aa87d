import { describe, expect, it } from '@jest/globals';
import { NOT_WORSE_THAN_LINEAR, slopeOf } from './fleet-slope.js';

const SIZES = [1_000, 3_000, 10_000];

function slopeBy(msOf: (nodes: number) => number): ReturnType<typeof slopeOf> {
  return slopeOf(SIZES.map((nodes) => ({ nodes, ms: msOf(nodes) })));
}

describe('the slope of times by hosts', () => {
  it('is one for a time that grows as hosts do, and tells it for each 1,000', () => {
    const { smallest, largest, exponent } = slopeBy((nodes) => nodes * 0.7);
    expect([smallest, largest]).toEqual([700, 700]);
    expect(exponent).toBeCloseTo(1);
  });

  it('is less where a part of the time is the same for any fleet', () => {
    const { smallest, largest, exponent } = slopeBy((nodes) => 500 + nodes * 0.7);
    expect(largest).toBeLessThan(smallest);
    expect(exponent).toBeLessThan(1);
  });

  it.each([
    ['a quarter more a host at ten times the hosts', 1.25, true],
    ['twice as much a host', 2, false],
  ])('with %s, %d: not worse than linear is %s', (_, more, isLinear) => {
    const exponent = 1 + Math.log10(more);
    const slope = slopeBy((nodes) => nodes ** exponent);
    expect(slope.exponent).toBeCloseTo(exponent);
    expect(slope.exponent <= NOT_WORSE_THAN_LINEAR).toBe(isLinear);
  });
});
