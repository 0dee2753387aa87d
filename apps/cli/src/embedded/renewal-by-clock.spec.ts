import { beforeEach, describe, expect, it } from '@jest/globals';
import { RenewalByClock } from './renewal-by-clock.js';

const HOUR_MS = 3_600_000;

let now = 0;
let tried = 0;
let works = true;
let renewals: RenewalByClock;

beforeEach(() => {
  [now, tried, works] = [100 * HOUR_MS, 0, true];
  renewals = new RenewalByClock(
    () => {
      tried += 1;
      return Promise.resolve(works);
    },
    () => now,
  );
});

async function lookAt(hours: number): Promise<number> {
  now = hours * HOUR_MS;
  await renewals.look();
  return tried;
}

describe('renewal of certificates by the clock', () => {
  it('is every two hours, the start counted', async () => {
    expect(await lookAt(101.9)).toBe(0);
    expect(await lookAt(102)).toBe(1);
    expect(await lookAt(103.9)).toBe(1);
    expect(await lookAt(104)).toBe(2);
  });

  it('is at once where the clock went back', async () => {
    expect(await lookAt(99)).toBe(1);
    expect(await lookAt(100)).toBe(1);
  });

  it('that failed is tried again at the next look, and not for two hours once it is done', async () => {
    works = false;
    expect(await lookAt(102)).toBe(1);
    expect(await lookAt(102.02)).toBe(2);
    works = true;
    expect(await lookAt(102.04)).toBe(3);
    expect(await lookAt(102.06)).toBe(3);
  });
});
