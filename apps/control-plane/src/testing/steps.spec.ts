import { describe, expect, it } from '@jest/globals';
import { stepsOf } from './steps.js';

const list = Array.from({ length: 1_000 }, (_, at) => at);
const set = new Set(list);
const map = new Map(list.map((each) => [each, each]));

describe('steps', () => {
  it.each<[string, () => unknown]>([
    ['a loop over a list', () => void [...list.entries()]],
    ['a copy of a set', () => new Set(set)],
    ['a spread of the keys of a map', () => [...map.keys()]],
    ['a filter', () => list.filter((each) => each > 5)],
    ['a sort', () => [...set].sort((one, other) => other - one)],
    ['a union', () => set.union(new Set())],
    ['a look at each', () => list.reduce((sum, each) => sum + (map.get(each) ?? 0), 0)],
  ])('counts %s', (_, work) => {
    const steps = stepsOf(work);
    expect(steps).toBeGreaterThanOrEqual(1_000);
    expect(steps).toBeLessThan(4_000);
  });

  it('counts one look as one, and nothing afterwards', () => {
    expect(stepsOf(() => map.get(7))).toBe(1);
    expect(stepsOf(() => undefined)).toBe(0);
  });
});
