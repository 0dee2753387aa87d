import { describe, expect, it } from '@jest/globals';
import { whyStuck } from './stuck-boot.js';

const TIMER = "rcu: rcu_preempt kthread timer wakeup didn't happen for 5251 jiffies!\n";

describe('whyStuck', () => {
  it.each([
    ['a machine that says something', '\u001b[!p[   12.2] systemd-ssh-generator[162]: no', 400_000],
    ['a machine that has not had the time', '', 149_000],
    ['a timer that was late once', TIMER, 10_000],
  ])('waits for %s', (_, console, waitedMs) => {
    expect(whyStuck(console, waitedMs)).toBeUndefined();
  });

  it('gives up a machine whose timer is late again and again', () => {
    expect(whyStuck(TIMER + TIMER, 0)).toBe('it lost a timer');
  });

  it('gives up a machine that never says a word', () => {
    expect(whyStuck('\r\n', 150_000)).toBe('it said nothing for 150 s');
  });
});
