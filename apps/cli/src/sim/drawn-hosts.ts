import { SeededRandom, type SimulatedHostPlan } from '#contracts';

/** What goes wrong in a fleet; shares from 0 to 1, times in ms. */
export interface Mishaps {
  readonly slowShare: number;
  readonly slowMs: number;
  readonly stuckShare: number;
  readonly clockSkewMs: number;
}

type DrawnHost = Pick<SimulatedHostPlan, 'stuck' | 'slowMs' | 'skewMs' | 'seed'>;

/** What chance gives each of so many hosts: the same for the same seed, and what one mishap hits whatever the others are. */
export function drawHosts(count: number, mishaps: Mishaps, seed: number): readonly DrawnHost[] {
  const { slowShare, slowMs, stuckShare, clockSkewMs } = mishaps;
  const random = new SeededRandom(seed);
  const order = Array.from({ length: count }, (_, n) => ({ n, at: random.fraction() }))
    .sort((a, b) => a.at - b.at)
    .map(({ n }) => n);
  const stuck = new Set(order.slice(0, Math.round(count * stuckShare)));
  // From the other end, so that they are not the stuck ones.
  const slow = new Set(order.slice(count - Math.round(count * slowShare)));
  return Array.from({ length: count }, (_, n) => ({
    stuck: stuck.has(n),
    slowMs: slow.has(n) ? slowMs : 0,
    skewMs: Math.round((random.fraction() * 2 - 1) * clockSkewMs),
    seed: random.below(2 ** 32),
  }));
}
