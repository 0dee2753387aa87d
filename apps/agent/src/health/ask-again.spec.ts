import { describe, expect, it } from '@jest/globals';
import { AskAgain } from './ask-again.js';
import { SystemClock } from './clock.js';

const MINUTE = 60_000;

class SetClock extends SystemClock {
  minutes = 0;
  chance = 0.5;
  override elapsed(): number {
    return this.minutes * MINUTE;
  }
  override random(): number {
    return this.chance;
  }
}

describe('what is asked for again', () => {
  const setUp = () => {
    const clock = new SetClock();
    const pace = { everyMs: 10 * MINUTE };
    const ask = new AskAgain(() => pace.everyMs, clock);
    const isDueAt = (minutes: number): boolean => {
      clock.minutes = minutes;
      return ask.isDue();
    };
    return { clock, pace, ask, isDueAt };
  };

  it('is due at once, then after its time, three to five quarters of it by chance', () => {
    const { clock, ask, isDueAt } = setUp();
    expect(isDueAt(0)).toBe(true);
    ask.begin();
    expect([isDueAt(9.9), isDueAt(10)]).toEqual([false, true]);
    clock.chance = 0;
    ask.begin();
    expect([isDueAt(17.4), isDueAt(17.5)]).toEqual([false, true]);
  });

  it('waits for as long as in the fleet that a host has found itself in meanwhile, and no shorter than it has to', () => {
    const { pace, ask, isDueAt } = setUp();
    ask.begin();
    expect(isDueAt(1)).toBe(false);
    pace.everyMs = 60 * MINUTE;
    expect(isDueAt(10)).toBe(false);
    pace.everyMs = 10 * MINUTE;
    expect([isDueAt(59), isDueAt(60)]).toEqual([false, true]);
    ask.begin();
    expect([isDueAt(69), isDueAt(70)]).toEqual([false, true]);
  });

  it('is due after a hint', () => {
    const { ask, isDueAt } = setUp();
    ask.begin();
    ask.hurry();
    expect(isDueAt(1)).toBe(true);
  });
});
