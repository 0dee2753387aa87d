import { describe, expect, it } from '@jest/globals';
import { HostChance } from './host-chance.js';

const failures = (chance: HostChance) => Array.from({ length: 200 }, () => chance.fails(0.3));
const latencies = (chance: HostChance) => Array.from({ length: 200 }, () => chance.latencyMs(100));

describe('chance on a simulated host', () => {
  it('is the same for the same seed and another for another, of each kind by itself', () => {
    const drawn = failures(new HostChance(7));
    const later = new HostChance(7);
    expect(latencies(later)).toEqual(latencies(new HostChance(7)));
    expect(failures(later)).toEqual(drawn);
    expect(failures(new HostChance(8))).not.toEqual(drawn);
    expect(latencies(new HostChance(8))).not.toEqual(latencies(new HostChance(7)));
  });

  it('fails as often as it was told to, and waits up to half more or less', () => {
    const failed = failures(new HostChance(1)).filter(Boolean).length;
    expect(failed).toBeGreaterThan(30);
    expect(failed).toBeLessThan(90);
    expect([new HostChance(1).fails(0), new HostChance(1).fails(1)]).toEqual([false, true]);
    const waits = latencies(new HostChance(1));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...waits)).toBeLessThanOrEqual(150);
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(50);
  });
});
