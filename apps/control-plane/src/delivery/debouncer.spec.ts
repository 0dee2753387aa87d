import { beforeEach, describe, expect, it } from '@jest/globals';
import { Debouncer } from './debouncer.js';

let nowMs: number;
let debouncer: Debouncer;
beforeEach(() => {
  nowMs = 0;
  debouncer = new Debouncer(() => nowMs);
});

/** Changes at these times; when each window began that they opened, and when it ended. */
function windowsOf(times: readonly number[]): readonly (readonly [number, number])[] {
  const windows: [number, number][] = [];
  for (const time of times) {
    nowMs = time;
    debouncer.add();
    if (time < (windows.at(-1)?.[1] ?? -1)) continue;
    windows.push([time, time + debouncer.begin()]);
  }
  return windows;
}
const every = (ms: number, count: number) =>
  Array.from({ length: count }, (_, index) => index * ms);

describe('debouncer', () => {
  it('lets one change wait for 20 ms, and each of those that come one after the other', () => {
    expect(windowsOf([0])).toEqual([[0, 20]]);
    const lengths = windowsOf(every(45, 50).map((time) => time + 1_000)).map(
      ([from, to]) => to - from,
    );
    expect(new Set(lengths)).toEqual(new Set([20]));
  });

  it.each([1, 2, 5, 10, 20, 25])(
    'makes at most ten rounds of a second with a change every %i ms',
    (everyMs) => {
      const windows = windowsOf(every(everyMs, 1_000 / everyMs));
      expect(windows.length).toBeLessThanOrEqual(10);
      expect(windows.length).toBeGreaterThan(5);
    },
  );

  it('lets no change wait longer than 160 ms, however long a burst lasts', () => {
    const windows = windowsOf(every(3, 10_000));
    expect(Math.max(...windows.map(([from, to]) => to - from))).toBe(160);
  });

  it('begins anew after a pause', () => {
    expect(windowsOf([...every(5, 200), 1_500]).at(-1)).toEqual([1_500, 1_520]);
  });
});
