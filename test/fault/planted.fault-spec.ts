import { expect, it } from '@jest/globals';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { turnAt } from '../../tools/src/suites/turn.js';
import { projectRoot } from '../e2e/support/product.js';
import { MISTAKES, mistakesOf } from './planted/mistakes.js';
import { FaultRun } from './support/run.js';
import { underFaults } from './support/under-faults.js';

const MINUTE = 60_000;
const SEEDS = [1, 2, 3];
const LENGTH_MS = 20_000;
const SETTLES_WITHIN_MS = 25_000;

const isFull = env['HOSTWARD_FULL'] === '1';
const chosen = mistakesOf({ isFull, turn: await turnAt(projectRoot) });
const others = Object.keys(MISTAKES).length - chosen.length;

underFaults('a program with a planted mistake', () => {
  it.each(chosen)(
    'is found within three runs where it %s',
    async (mistake) => {
      const { rules, steps } = MISTAKES[mistake];
      process.stdout.write(`planted: ${mistake}; to be found by ${rules.join(' or ')}\n`);
      const found = new Set<string>();
      const expected: readonly string[] = rules;
      for (const seed of SEEDS) {
        const file = join(tmpdir(), `hostward-planted-${seed}-${Date.now()}.jsonl`);
        const how = { mistake, steps, settlesWithinMs: SETTLES_WITHIN_MS };
        const { violations } = await FaultRun.of(seed, LENGTH_MS, file, how);
        rmSync(file);
        for (const { rule } of violations) found.add(rule);
        process.stdout.write(
          `${mistake}: seed ${seed} shows ${[...found].join(', ') || 'nothing'}\n`,
        );
        if (expected.some((rule) => found.has(rule))) break;
      }
      expect(expected.filter((rule) => found.has(rule))).not.toEqual([]);
    },
    10 * MINUTE,
  );

  if (!isFull)
    return it.skip(`is found where it makes one of ${others} others (skipped: one a commit by turns, all with --full)`, () =>
      undefined);

  it.each(
    Object.entries(MISTAKES).flatMap(([name, { steps }]) => (steps ? [{ name, steps }] : [])),
  )(
    'is told apart from the product as it is shipped, by the same steps: $name',
    async ({ steps }) => {
      const file = join(tmpdir(), `hostward-shipped-${Date.now()}.jsonl`);
      const { violations } = await FaultRun.of(1, LENGTH_MS, file, { steps });
      expect({ history: file, violations }).toEqual({ history: file, violations: [] });
      rmSync(file);
    },
    10 * MINUTE,
  );
});
