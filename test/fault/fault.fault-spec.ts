import { expect, it } from '@jest/globals';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SmallDisks } from '#testing';
import type { Action } from './history.js';
import type { Step } from './plan.js';
import { FaultRun, type RunOptions } from './support/run.js';
import { underFaults } from './support/under-faults.js';

const MINUTE = 60_000;
const SEED = 1;

underFaults('two control planes under faults that were found once', () => {
  // a bundle that was spoilt under its name
  it(
    'gives a host the bundle that was spoilt in Redis before it needed it',
    async () => {
      const env = (value: string): Action => ({
        kind: 'label',
        node: 'h1',
        labels: { env: value },
      });
      const [marker, labels] = ['/usr/bin/marked', { env: 'prod' }];
      const steps: Step[] = [
        { at: 0, do: { kind: 'apply', policy: 'p1', marker, labels } },
        { at: 0, do: env('dev') },
        { at: 2_000, fault: { kind: 'corrupt-bundles' } },
        { at: 3_000, do: env('prod') },
      ];
      await settles('spoilt', steps);
    },
    5 * MINUTE,
  );

  // waits by a clock that was set back
  it(
    'stores a denial that Redis lost, though the clock of its host was set back since',
    async () => {
      const labels = { env: 'prod' };
      const ahead = { kind: 'set-clock', of: 'h1', byMs: 60 * MINUTE, forMs: 6_000 } as const;
      const stop = { kind: 'stop', forMs: 5_000 } as const;
      await settles('set-back', [
        { at: 0, do: { kind: 'apply', policy: 'p1', marker: '/usr/bin/marked', labels } },
        { at: 500, fault: ahead },
        { at: 2_000, fault: { ...stop, of: 'control plane' } },
        { at: 2_000, fault: { ...stop, of: 'replica' } },
        { at: 3_000, deny: 'h1', resource: '/denied/1' },
        { at: 4_500, fault: { kind: 'flush', of: 'redis-events' } },
      ]);
    },
    5 * MINUTE,
  );

  // never ready again after a disk was full
  (SmallDisks.canBeMade ? it : it.skip)(
    `is ready again though another stored the alerts that its full disk did not take, where they lie in files${SmallDisks.skipped}`,
    async () => {
      const labels = { env: 'prod' };
      const steps: Step[] = [
        { at: 0, do: { kind: 'apply', policy: 'p1', marker: '/usr/bin/marked', labels } },
        { at: 2_000, fault: { kind: 'fill-control-plane-disk', of: 'replica', forMs: 7_000 } },
        ...['h1', 'h2', 'h3', 'h4'].map((deny) => ({ at: 3_000, deny, resource: '/denied/1' })),
        { at: 9_000, do: { kind: 'pause', policy: 'p1' } },
      ];
      await settles('full-disk', steps, { inFiles: true });
    },
    5 * MINUTE,
  );

  // a denial that was stored twice
  (SmallDisks.canBeMade ? it : it.skip)(
    `stores a denial once that was sent while the disk of its host was full, though the agent was killed then${SmallDisks.skipped}`,
    async () => {
      const labels = { env: 'prod' };
      await settles('killed-on-full-disk', [
        { at: 0, do: { kind: 'apply', policy: 'p1', marker: '/usr/bin/marked', labels } },
        { at: 2_000, fault: { kind: 'fill-host-disk', of: 'h1', forMs: 7_000 } },
        { at: 3_000, deny: 'h1', resource: '/denied/1' },
        { at: 3_400, fault: { kind: 'kill', of: 'agent@h1' } },
      ]);
    },
    5 * MINUTE,
  );
});

async function settles(
  name: string,
  steps: readonly Step[],
  options: RunOptions = {},
): Promise<void> {
  const file = join(tmpdir(), `hostward-fault-${name}-${Date.now()}.jsonl`);
  const { violations } = await FaultRun.of(SEED, 0, file, { ...options, steps });
  const found = { history: file, logs: `${file}.logs`, violations };
  expect(found).toEqual({ ...found, violations: [] });
  rmSync(file);
}
