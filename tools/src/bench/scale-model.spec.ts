import { describe, expect, it } from '@jest/globals';
import { changeOf, type HostCosts, returnOf } from './scale-model.js';
import { TimeHeap } from './time-heap.js';

const COSTS: HostCosts = {
  write: 1,
  redisWrite: 2,
  redisReport: 3,
  report: 4,
  host: 0,
  connect: 0.67,
  user: 0.1,
};
const ONE_WAY_MS = 20;

describe('the earliest first', () => {
  it('whatever the order in which they came, and of equal times the first that came', () => {
    const heap = new TimeHeap();
    [5, 1, 3, 1, 4, 1, 2].forEach((time, index) => heap.push(time, index));
    const popped = Array.from({ length: 7 }, () => heap.pop());
    expect(popped.map((each) => each?.time)).toEqual([1, 1, 1, 2, 3, 4, 5]);
    expect(popped.slice(0, 3).map((each) => each?.value)).toEqual([1, 3, 5]);
    expect(heap.pop()).toBeUndefined();
  });
});

describe('a simulated change', () => {
  it('takes one host what each step takes', () => {
    const cell = { hosts: 1, redis: 1, controlPlanes: 1 };
    const { lastDelivery, ackLast } = changeOf(cell, COSTS, 1);
    expect(lastDelivery).toBe(1 + 2 + ONE_WAY_MS);
    expect(ackLast).toBe(1 + 2 + 2 * ONE_WAY_MS + 3 + 4);
  });

  it('takes a fleet no less than its slowest part has to do, and what is shared less', () => {
    const cell = { hosts: 1_000, redis: 1, controlPlanes: 1 };
    const one = changeOf(cell, COSTS, 1);
    expect(one.ackLast).toBeGreaterThanOrEqual(1_000 * (1 + 4));
    expect(one.ackP50).toBeLessThan(one.ackP99);
    const four = changeOf({ ...cell, redis: 4 }, COSTS, 1);
    expect(four.lastDelivery).toBeLessThan(one.lastDelivery);
  });
});

describe('a simulated return', () => {
  it('of a fleet that Redis can serve has each host try once or little more', () => {
    const { last, tries } = returnOf({ hosts: 1_000, redis: 1, controlPlanes: 1 }, COSTS, 1);
    expect([last < 20_000, tries < 1.5]).toEqual([true, true]);
  });

  it('of one that it cannot never ends, and ends where it is split', () => {
    const cell = { hosts: 20_000, redis: 1, controlPlanes: 1 };
    const slow = { ...COSTS, connect: 5 };
    expect(returnOf(cell, slow, 1).last).toBe(Infinity);
    expect(returnOf({ ...cell, redis: 50 }, slow, 1).last).toBeLessThan(120_000);
  });

  it('is the same of the same seed', () => {
    const cell = { hosts: 500, redis: 2, controlPlanes: 2 };
    expect(returnOf(cell, COSTS, 7)).toEqual(returnOf(cell, COSTS, 7));
    expect(returnOf(cell, COSTS, 7)).not.toEqual(returnOf(cell, COSTS, 8));
  });
});
