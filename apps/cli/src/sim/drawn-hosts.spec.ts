import { describe, expect, it } from '@jest/globals';
import { drawHosts } from './drawn-hosts.js';

const MISHAPS = { slowShare: 0.1, slowMs: 3_000, stuckShare: 0.5, clockSkewMs: 10_000 };
const draw = (seed: number, over: Partial<typeof MISHAPS> = {}) =>
  drawHosts(200, { ...MISHAPS, ...over }, seed);

describe('the hosts of a simulation', () => {
  it('are drawn alike by the same seed, and otherwise by another', () => {
    expect(draw(7)).toEqual(draw(7));
    for (const drawn of ['stuck', 'slowMs', 'skewMs', 'seed'] as const)
      expect([drawn, draw(7).map((host) => host[drawn])]).not.toEqual([
        drawn,
        draw(8).map((host) => host[drawn]),
      ]);
  });

  it('keep what one mishap does to them when another one is asked for', () => {
    const without = draw(7, { slowShare: 0, clockSkewMs: 0 });
    expect(without.map(({ stuck }) => stuck)).toEqual(draw(7).map(({ stuck }) => stuck));
    expect(without.map(({ seed }) => seed)).toEqual(draw(7).map(({ seed }) => seed));
    expect(without.every(({ slowMs, skewMs }) => slowMs === 0 && skewMs === 0)).toBe(true);
  });

  it('are as many as each share says, no one stuck and slow, and clocks wrong by no more than told', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const hosts = draw(seed);
      expect(hosts.filter(({ stuck }) => stuck)).toHaveLength(100);
      expect(hosts.filter(({ slowMs }) => slowMs === 3_000)).toHaveLength(20);
      expect(hosts.filter(({ stuck, slowMs }) => stuck && slowMs > 0)).toEqual([]);
      const skews = hosts.map(({ skewMs }) => skewMs);
      expect(Math.min(...skews)).toBeGreaterThanOrEqual(-10_000);
      expect(Math.max(...skews)).toBeLessThanOrEqual(10_000);
      expect(Math.max(...skews) - Math.min(...skews)).toBeGreaterThan(10_000);
      expect(new Set(hosts.map((host) => host.seed)).size).toBe(200);
    }
  });

  it('are hit whatever label the mixture gives each second one', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const even = draw(seed).filter(({ stuck }, n) => stuck && n % 2 === 0).length;
      expect(even).toBeGreaterThan(20);
      expect(even).toBeLessThan(80);
    }
  });
});
