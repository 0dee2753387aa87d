import { describe, expect, it } from '@jest/globals';
import { HostPace } from './host-pace.js';

const MIB = 1024 * 1024;

describe('the pace at which a host is read', () => {
  let nowMs = 1_000;
  const made = () => new HostPace(() => nowMs);

  it('lets an honest host never wait: a report in five seconds, a batch of half a MiB each second', () => {
    const pace = made();
    for (let second = 0; second < 600; second += 1) {
      nowMs += 1_000;
      expect(pace.restMs('honest')).toBe(0);
      pace.took('honest', MIB / 2);
      if (second % 5 > 0) continue;
      expect(pace.restMs('honest')).toBe(0);
      pace.took('honest', 64 * 1024);
    }
  });

  it.each([
    ['of 1 MiB', MIB, 1, 62],
    ['of 4 MiB', 4 * MIB, 1, 67],
    ['of nothing', 0, 1, 3_910],
    ['of nothing, fifty at a time', 0, 50, 80],
  ])(
    'reads a flood of pieces %s a bounded number of times in a minute',
    (_, bytes, pieces, most) => {
      const pace = made();
      let reads = 0;
      for (
        const until = nowMs + 60_000;
        nowMs < until;
        nowMs += Math.max(1, pace.restMs('flood'))
      ) {
        if (pace.restMs('flood') > 0) continue;
        pace.took('flood', bytes, pieces);
        reads += 1;
        expect(pace.restMs('another')).toBe(0);
      }
      expect(reads).toBeGreaterThan(10);
      expect(reads).toBeLessThanOrEqual(most);
    },
  );
});
