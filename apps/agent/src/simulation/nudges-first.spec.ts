import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { NudgesFirst } from './nudges-first.js';

describe('NudgesFirst', () => {
  it.each([0, 1, 16])('lets through at once where %i nudges have come', async (nudges) => {
    const first = new NudgesFirst();
    for (let nudge = 0; nudge < nudges; nudge += 1) first.came();
    let through = false;
    void first.turn().then(() => (through = true));
    await Promise.resolve();
    expect(through).toBe(true);
  });

  it('holds what comes after nudges until there are no more, and keeps the order', async () => {
    const first = new NudgesFirst();
    const order: string[] = [];
    const nudged = async (count: number): Promise<void> => {
      for (let nudge = 0; nudge < count; nudge += 1) {
        first.came();
        order.push('nudge');
        await delay(1);
      }
    };
    for (let nudge = 0; nudge < 17; nudge += 1) first.came();
    const turns = Array.from({ length: 40 }, (_, index) =>
      first.turn().then(() => order.push(`turn ${index}`)),
    );
    await nudged(20);
    await Promise.all(turns);
    expect(order).toEqual([
      ...Array.from({ length: 20 }, () => 'nudge'),
      ...Array.from({ length: 40 }, (_, index) => `turn ${index}`),
    ]);
  });
});
