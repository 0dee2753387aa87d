import { describe, expect, it } from '@jest/globals';
import { Throttle } from './throttle.js';

const limits = { limit: 3, windowMs: 1000, maxKeys: 2 };

describe('the throttle of events', () => {
  it('passes the first events of a window and counts the rest into the next record', () => {
    const throttle = new Throttle<number>(limits);
    const passed = [0, 1, 2, 3, 4, 5].map((item) => throttle.offer('p/r', '/bin/cat', item, item));
    expect(passed.map((each) => each?.item)).toEqual([0, 1, 2, undefined, undefined, undefined]);
    expect(throttle.offer('p/r', '/bin/cat', 6, 1000)).toEqual({ item: 6, suppressed: 3 });
    expect(throttle.offer('p/r', '/bin/cat', 7, 1001)).toEqual({ item: 7, suppressed: 0 });
  });

  it('keeps processes and rules apart, so that noise of one hides no other', () => {
    const throttle = new Throttle<string>(limits);
    for (let i = 0; i < 100; i += 1) throttle.offer('p/r', '/bin/noisy', 'noise', 0);
    expect(throttle.offer('p/r', '/bin/quiet', 'news', 0)).toEqual({ item: 'news', suppressed: 0 });
  });

  it('loses no number when nothing follows: the last one stands for the others', () => {
    const throttle = new Throttle<number>(limits);
    for (let i = 0; i < 8; i += 1) throttle.offer('p/r', '/bin/cat', i, 0);
    expect(throttle.flush(999)).toEqual([]);
    expect(throttle.flush(1000)).toEqual([{ item: 7, suppressed: 4 }]);
    expect(throttle.flush(3000)).toEqual([]);
  });

  it('accounts for every event, whatever the order of offers and flushes', () => {
    const throttle = new Throttle<number>(limits);
    let seen = 0;
    for (let now = 0; now < 10_000; now += 37) {
      const passed = throttle.offer('p/r', `/bin/${now % 5}`, now, now);
      if (passed) seen += 1 + passed.suppressed;
      if (now % 5 === 0) for (const each of throttle.flush(now)) seen += 1 + each.suppressed;
    }
    for (const each of throttle.flush(20_000)) seen += 1 + each.suppressed;
    expect(seen).toBe(271);
  });

  it('hands on what was left out before an event came here', () => {
    const throttle = new Throttle<number>(limits);
    const before = [5, 0, 0, 7, 1];
    const passed = before.map((number, item) => throttle.offer('p/r', '/bin/cat', item, 0, number));
    expect(passed.map((each) => each?.suppressed)).toEqual([5, 0, 0, undefined, undefined]);
    expect(throttle.flush(1000)).toEqual([{ item: 4, suppressed: 1 + 7 + 1 }]);
  });

  it('keeps its memory bounded: further processes share the window of their rule', () => {
    const throttle = new Throttle<number>(limits);
    const passed = Array.from({ length: 50 }, (_, i) =>
      throttle.offer('p/r', `/tmp/${i}`, i, 0),
    ).filter(Boolean);
    expect(passed).toHaveLength(2 + 3);
  });

  it('does not stay closed when the clock goes back', () => {
    const throttle = new Throttle<number>(limits);
    for (let i = 0; i < 8; i += 1) throttle.offer('p/r', '/bin/cat', i, 1_000_000);
    expect(throttle.offer('p/r', '/bin/cat', 9, 5)).toEqual({ item: 9, suppressed: 5 });
  });
});
