import { describe, expect, it } from '@jest/globals';
import { Sweep } from './sweep.js';

const hosts = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);

describe('a sweep over all hosts', () => {
  it('looks at each once a round, in so many turns', () => {
    const sweep = new Sweep(() => hosts(100), 30);
    const round = Array.from({ length: 25 }, () => sweep.next());
    expect(round.every((turn) => turn.length === 4)).toBe(true);
    expect(round.flat()).toEqual(hosts(100));
    expect(sweep.next()).toEqual(hosts(4));
  });

  it('takes no longer where the fleet is large', () => {
    const sweep = new Sweep(() => hosts(10_000), 30);
    const round = Array.from({ length: 30 }, () => sweep.next());
    expect(Math.max(...round.map((turn) => turn.length))).toBe(334);
    expect(new Set(round.flat()).size).toBe(10_000);
  });

  it('takes in who came in the next round, and has nothing to do without hosts', () => {
    const all: string[] = [];
    const sweep = new Sweep(() => all, 1);
    expect(sweep.next()).toEqual([]);
    all.push('n0');
    expect(sweep.next()).toEqual(['n0']);
  });
});
