import { describe, expect, it } from '@jest/globals';
import { planOf, SPARE } from './plan.js';

const MINUTE = 60_000;
const KINDS = [
  ...[
    'kill',
    'end',
    'stop',
    'kill-in-swap',
    'lose-leader',
    'lose-lease',
    'lose-postgresql',
    'fail-over',
    'set-clock',
  ],
  ...['cut', 'stall', 'slow', 'one-way', 'slow-reader', 'break-off'],
  ...['flush', 'corrupt-bundles', 'compact'],
  ...['host', 'control-plane', 'postgresql', 'sentinel', 'etcd'].map((of) => `fill-${of}-disk`),
];

describe('a plan of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planOf(7, MINUTE)).toEqual(planOf(7, MINUTE));
    expect(planOf(7, MINUTE)).not.toEqual(planOf(8, MINUTE));
  });

  it('has every kind of fault in a run of five minutes, and no more of them than a run can take', () => {
    for (let seed = 0; seed < 100; seed += 1) {
      const { steps } = planOf(seed, 5 * MINUTE);
      const faults = steps.flatMap((step) => ('fault' in step ? [step.fault.kind] : []));
      expect({ seed, kinds: [...new Set(faults)].sort() }).toEqual({
        seed,
        kinds: KINDS.toSorted(),
      });
      expect(faults.length).toBeLessThan(180);
    }
  });

  it('has some of each kind left for the end, but for kills in a swap, where it has every kind', () => {
    const { again } = planOf(1, 5 * MINUTE);
    expect(again).toEqual(planOf(1, 5 * MINUTE).again);
    expect([...new Set(again.map(({ kind }) => kind)), 'kill-in-swap'].sort()).toEqual(
      KINDS.toSorted(),
    );
    expect(again.filter(({ kind }) => kind === 'compact').length).toBeGreaterThan(1);
    expect(planOf(1, MINUTE).again).toEqual([]);
  });

  it('lets a host in, and revokes it only afterwards, at times that are drawn', () => {
    const joined = new Set<number>();
    let revoked = 0;
    for (let seed = 0; seed < 20; seed += 1) {
      const { steps } = planOf(seed, MINUTE);
      const timeOf = (kind: string, node: string): number | undefined =>
        steps.find(
          (step) =>
            'do' in step && step.do.kind === kind && 'node' in step.do && step.do.node === node,
        )?.at;
      const [joins, leaves] = [timeOf('enrol', SPARE) ?? NaN, timeOf('revoke', SPARE)];
      expect(timeOf('revoke', 'h4')).toBeLessThan(MINUTE);
      expect(joins).toBeLessThan(leaves ?? MINUTE);
      joined.add(joins);
      if (leaves !== undefined) revoked += 1;
    }
    expect(joined.size).toBeGreaterThan(10);
    expect(revoked).toBeGreaterThan(0);
    expect(revoked).toBeLessThan(20);
  });

  it('has every kind of operation, in the order of time and within its length', () => {
    const { steps } = planOf(1, 10 * MINUTE);
    const actions = new Set(steps.flatMap((step) => ('do' in step ? [step.do.kind] : [])));
    expect(actions.size).toBe(10);
    const times = steps.map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBeLessThan(10 * MINUTE);
  });
});
