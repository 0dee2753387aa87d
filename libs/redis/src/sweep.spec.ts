import { describe, expect, it } from '@jest/globals';
import { Sweep } from './sweep.js';

const hosts = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);

describe('a sweep over all hosts', () => {
  it('looks at each once a round, in so many turns', () => {
    const sweep = new Sweep(() => hosts(100), { turns: 30, most: 50 });
    const round = Array.from({ length: 25 }, () => sweep.next());
    expect(round.every((turn) => turn.length === 4)).toBe(true);
    expect(round.flat()).toEqual(hosts(100));
    expect(sweep.next()).toEqual(hosts(4));
  });

  it('takes longer rather than more at a turn where the fleet is large', () => {
    const sweep = new Sweep(() => hosts(10_000), { turns: 30, most: 100 });
    const round = Array.from({ length: 100 }, () => sweep.next());
    expect(Math.max(...round.map((turn) => turn.length))).toBe(100);
    expect(new Set(round.flat()).size).toBe(10_000);
  });

  it('takes in who came in the next round, and has nothing to do without hosts', () => {
    const all: string[] = [];
    const sweep = new Sweep(() => all, { turns: 1, most: 10 });
    expect(sweep.next()).toEqual([]);
    all.push('n0');
    expect(sweep.next()).toEqual(['n0']);
  });
});
