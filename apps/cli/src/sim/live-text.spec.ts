import { describe, expect, it } from '@jest/globals';
import { liveText } from './live-text.js';

describe('the live view of a simulation', () => {
  const state = { seconds: 7, enrolled: 10_000, listening: 9_998, inForce: 12, changes: 3 };

  it('says in one line how far hosts are, and what is wrong on them', () => {
    expect(liveText({ ...state, conditions: '' })).toBe(
      '7 s: 10,000 enrolled, 9,998 connected, 12 took a rule set, 3 changes',
    );
    expect(liveText({ ...state, conditions: 'redis on 2, report on 1' })).toBe(
      '7 s: 10,000 enrolled, 9,998 connected, 12 took a rule set, 3 changes; conditions: redis on 2, report on 1',
    );
  });
});
