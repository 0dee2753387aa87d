import { describe, expect, it } from '@jest/globals';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { AppArmorParser } from '#testing';
import { MISTAKES, type Mistake } from './planted/mistakes.js';
import { FaultRun } from './support/run.js';

const MINUTE = 60_000;
const SEEDS = [1, 2, 3];
const LENGTH_MS = 20_000;
const SETTLES_WITHIN_MS = 25_000;

const isFull = env['HOSTWARD_FULL'] === '1' && AppArmorParser.find() !== undefined;
const skipped = isFull ? '' : ' (skipped: takes minutes, run with --full and apparmor_parser)';

(isFull ? describe : describe.skip)(`a program with a planted mistake${skipped}`, () => {
  it.each(Object.keys(MISTAKES) as Mistake[])(
    'is found within three runs where it %s',
    async (mistake) => {
      const found = new Set<string>();
      const { rules, steps } = MISTAKES[mistake];
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
