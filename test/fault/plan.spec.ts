import { describe, expect, it } from '@jest/globals';
import { planOf } from './plan.js';

const MINUTE = 60_000;

describe('a plan of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planOf(7, MINUTE)).toEqual(planOf(7, MINUTE));
    expect(planOf(7, MINUTE)).not.toEqual(planOf(8, MINUTE));
  });

  it('has every kind of fault and of operation, in the order of time and within its length', () => {
    const { steps } = planOf(1, 10 * MINUTE);
    const faults = new Set(steps.flatMap((step) => ('fault' in step ? [step.fault.kind] : [])));
    const actions = new Set(steps.flatMap((step) => ('do' in step ? [step.do.kind] : [])));
    expect(faults.size).toBe(14);
    expect(actions.size).toBe(7);
    const times = steps.map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBeLessThan(10 * MINUTE);
  });
});
