import { beforeEach, describe, expect, it } from '@jest/globals';
import { RetryQueue } from './retry-queue.js';

describe('hosts in whose way something is', () => {
  let now: number;
  let retries: RetryQueue;
  const waiting = () => ['a', 'b'].map((node) => retries.isWaiting(node));
  beforeEach(() => {
    now = 0;
    retries = new RetryQueue(
      () => now,
      () => 0.999,
    );
  });

  it('wait longer each time, to five seconds at most, each by itself', () => {
    for (let time = 1; time <= 20; time += 1) retries.failed(['a']);
    retries.failed(['b']);
    now = 100;
    expect(waiting()).toEqual([true, false]);
    now = 4_990;
    expect(waiting()).toEqual([true, false]);
    now = 5_000;
    expect(waiting()).toEqual([false, false]);
  });

  it('are tried again together where they failed together', () => {
    const shares = [0.5, 0.9];
    retries = new RetryQueue(
      () => now,
      () => shares.shift() ?? 0,
    );
    retries.failed(['a', 'b']);
    now = 49;
    expect(waiting()).toEqual([true, true]);
    now = 50;
    expect(waiting()).toEqual([false, false]);
  });

  it('wait no more when something has changed for them', () => {
    retries.failed(['a', 'b']);
    retries.end('a');
    expect([waiting(), retries.size]).toEqual([[false, true], 1]);
    retries.clear();
    expect([waiting(), retries.size]).toEqual([[false, false], 0]);
  });
});
