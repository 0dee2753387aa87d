import { describe, expect, it } from '@jest/globals';
import { MISTAKES, mistakesOf } from './mistakes.js';

const ALL = Object.keys(MISTAKES).sort();

describe('the mistakes that a run of the fault suite makes', () => {
  it('are one by turns, so that as many commits in a row as there are come to all', () => {
    for (const first of [0, 511, 0x671e489c0ffe]) {
      const turns = ALL.map((_, index) => mistakesOf({ isFull: false, turn: first + index }));
      for (const mistakes of turns) expect(mistakes).toHaveLength(1);
      expect(turns.flat().sort()).toEqual(ALL);
    }
  });

  it('are all in a full one', () => {
    expect(mistakesOf({ isFull: true, turn: 3 }).sort()).toEqual(ALL);
  });
});
