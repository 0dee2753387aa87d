import { describe, expect, it } from '@jest/globals';
import type { Fault, FaultKind, RedisLayout } from './faults.js';
import { planOf, SPARE, type Plan } from './plan.js';

const MINUTE = 60_000;
const ALWAYS: readonly FaultKind[] = [
  ...(['kill', 'end', 'stop', 'kill-in-swap'] as const),
  ...(['lose-leader', 'lose-lease', 'lose-postgresql', 'set-clock'] as const),
  ...(['cut', 'stall', 'slow', 'one-way', 'slow-reader', 'break-off'] as const),
  ...(['flush', 'corrupt-bundles', 'compact'] as const),
  ...(['host', 'control-plane', 'postgresql', 'etcd'] as const).map(
    (of) => `fill-${of}-disk` as const,
  ),
];
const KINDS: Readonly<Record<RedisLayout, readonly FaultKind[]>> = {
  replica: [...ALWAYS, 'fail-over', 'fill-sentinel-disk'],
  shards: [...ALWAYS, 'unname-shard', 'kill-in-renewal'],
};
const LAYOUTS = ['replica', 'shards'] as const;

/** In the order in which they are done. */
const faultsOf = ({ steps }: Pick<Plan, 'steps'>): readonly Fault[] =>
  steps.flatMap((step) => ('fault' in step ? [step.fault] : []));

describe('a plan of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planOf(7, MINUTE)).toEqual(planOf(7, MINUTE));
    expect(planOf(7, MINUTE)).not.toEqual(planOf(8, MINUTE));
  });

  it.each(LAYOUTS)(
    'has every kind of fault in a run of five minutes, and no more of them than a run can take: %s',
    (redis) => {
      for (let seed = 0; seed < 100; seed += 1) {
        const faults = faultsOf(planOf(seed, 5 * MINUTE, redis)).map(({ kind }) => kind);
        expect({ seed, kinds: [...new Set(faults)].sort() }).toEqual({
          seed,
          kinds: KINDS[redis].toSorted(),
        });
        expect(faults.length).toBeLessThan(180);
      }
    },
  );

  it.each(LAYOUTS)(
    'has some of each kind left for the end, but for kills in a swap, where it has every kind: %s',
    (redis) => {
      const { again } = planOf(1, 5 * MINUTE, redis);
      expect(again).toEqual(planOf(1, 5 * MINUTE, redis).again);
      const kinds = new Set<FaultKind>([...again.map(({ kind }) => kind), 'kill-in-swap']);
      expect([...kinds].sort()).toEqual(KINDS[redis].toSorted());
      expect(again.filter(({ kind }) => kind === 'compact').length).toBeGreaterThan(1);
      expect(planOf(1, MINUTE, redis).again).toEqual([]);
    },
  );

  it('hits either of two Redis that hosts are split over, and no Sentinel', () => {
    const [kinds, names] = [new Set<string>(), new Set<string>()];
    for (let seed = 0; seed < 20; seed += 1)
      for (const fault of faultsOf(planOf(seed, 5 * MINUTE, 'shards'))) {
        if (!('of' in fault) || typeof fault.of !== 'string') continue;
        names.add(fault.of);
        kinds.add(`${fault.kind} ${fault.of}`);
      }
    for (const kind of ['kill', 'stop', 'cut', 'stall', 'slow', 'flush'])
      for (const name of ['redis', 'redis-b']) expect([...kinds]).toContain(`${kind} ${name}`);
    expect([...names].filter((name) => name.startsWith('sentinel'))).toEqual([]);
  });

  it('has hosts leave the second Redis and renew, within its length', () => {
    const away = new Set<boolean>();
    for (let seed = 0; seed < 20; seed += 1) {
      const { steps } = planOf(seed, 2 * MINUTE, 'shards');
      const leaves = steps.find((step) => 'fault' in step && step.fault.kind === 'unname-shard');
      expect(leaves?.at).toBeLessThan(2 * MINUTE);
      const renewals = faultsOf({ steps }).filter(({ kind }) => kind === 'kill-in-renewal');
      expect(renewals.length).toBeGreaterThanOrEqual(4);
      expect(steps.at(-1)?.at).toBeLessThan(2 * MINUTE);
      away.add(
        steps.some(
          (step) => 'fault' in step && step.fault.kind === 'stop' && step.fault.forMs > MINUTE,
        ),
      );
    }
    expect([...away].sort()).toEqual([false, true]);
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
