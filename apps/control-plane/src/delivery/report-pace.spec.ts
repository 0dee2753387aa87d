import { describe, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, verifyPace } from '#bundle';
import { reportEveryMs } from '#contracts';
import { Clock } from '../http/clock.js';
import { ReportPace } from './report-pace.js';

class SetClock extends Clock {
  now = 5_000;
  override nowMs(): number {
    return this.now;
  }
}

describe('how often a host is to report', () => {
  it.each([
    [0, 10_000],
    [500, 10_000],
    [501, 15_000],
    [1_000, 20_000],
    [3_000, 60_000],
    [100_000, 60_000],
  ])('in a fleet of %d hosts is every %d ms', (hosts, everyMs) => {
    expect(reportEveryMs(hosts)).toBe(everyMs);
  });
});

describe('the order of the control plane', () => {
  it('is signed anew where it says something else or half a minute has passed, and is none for a small fleet', () => {
    const key = generateSigningKey();
    const clock = new SetClock();
    let hosts = 100;
    const pace = new ReportPace(() => hosts, loadSigner(key.privateKey), clock);
    expect(pace.order()).toBeUndefined();
    hosts = 1_000;
    const first = pace.order();
    expect(verifyPace(first, [key])).toEqual({ v: 1, at: 5_000, reportEveryMs: 20_000 });
    [hosts, clock.now] = [999, 6_000];
    expect(pace.order()).toBe(first);
    clock.now = 35_000;
    expect(verifyPace(pace.order(), [key])).toEqual({ v: 1, at: 35_000, reportEveryMs: 20_000 });
    [hosts, clock.now] = [2_000, 36_000];
    expect(verifyPace(pace.order(), [key])).toEqual({ v: 1, at: 36_000, reportEveryMs: 40_000 });
    hosts = 10;
    expect(pace.order()).toBeUndefined();
  });
});
