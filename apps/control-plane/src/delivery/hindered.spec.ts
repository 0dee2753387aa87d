import { beforeEach, describe, expect, it } from '@jest/globals';
import { Hindered } from './hindered.js';

describe('hosts in whose way something is', () => {
  let now: number;
  let hindered: Hindered;
  const waiting = () => ['a', 'b'].map((node) => hindered.isWaiting(node));
  beforeEach(() => {
    now = 0;
    hindered = new Hindered(
      () => now,
      () => 0.999,
    );
  });

  it('wait longer each time, to five seconds at most, each by itself', () => {
    for (let time = 1; time <= 20; time += 1) hindered.failed(['a']);
    hindered.failed(['b']);
    now = 100;
    expect(waiting()).toEqual([true, false]);
    now = 4_990;
    expect(waiting()).toEqual([true, false]);
    now = 5_000;
    expect(waiting()).toEqual([false, false]);
  });

  it('are tried again together where they failed together', () => {
    const shares = [0.5, 0.9];
    hindered = new Hindered(
      () => now,
      () => shares.shift() ?? 0,
    );
    hindered.failed(['a', 'b']);
    now = 49;
    expect(waiting()).toEqual([true, true]);
    now = 50;
    expect(waiting()).toEqual([false, false]);
  });

  it('wait no more when something has changed for them', () => {
    hindered.failed(['a', 'b']);
    hindered.end('a');
    expect([waiting(), hindered.size]).toEqual([[false, true], 1]);
    hindered.clear();
    expect([waiting(), hindered.size]).toEqual([[false, false], 0]);
  });
});
