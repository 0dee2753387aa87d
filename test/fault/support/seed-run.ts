import { expect, it } from '@jest/globals';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { RULES } from '../checks/violation.js';
import { FaultRun } from './run.js';

const MINUTE = 60_000;
const SAID_MS = 1_000;
/** Of each of the two seeds, which run side by side. */
const CI_MINUTES = 5;

/** What the command line names in the place of the usual two seeds. */
export const CHOSEN = env['HOSTWARD_FAULT_SEED'];

/**
 * The test of one seed; with an even one alerts and audit log lie in files, with a multiple of three hosts are split over
 * two Redis. Its history and the logs of all programs stay
 * where the checker has found something.
 */
export function breaksNoRule(seed: number): void {
  const minutes = Number(env['HOSTWARD_FAULT_MINUTES'] ?? CI_MINUTES);
  it(
    `breaks no rule with seed ${seed}`,
    async () => {
      const file = join(tmpdir(), `hostward-fault-${seed}-${Date.now()}.jsonl`);
      const again = `./hostward test fault --seed ${seed} --minutes ${minutes}`;
      process.stdout.write(`seed ${seed}, ${minutes} min; history ${file}; again: ${again}\n`);
      const redis = seed % 3 === 0 ? 'shards' : 'replica';
      const options = { inFiles: seed % 2 === 0, redis } as const;
      const run = await FaultRun.of(seed, minutes * MINUTE, file, options);
      const { violations, neverDone, figures } = run;
      process.stdout.write(`seed ${seed}: ${figures}\n`);
      // What a worker says last is lost where who reads it ends at the result of the test.
      await delay(SAID_MS);
      const found = violations.map(({ rule, at, what }) => `${RULES[rule]} (line ${at}): ${what}`);
      const logs = `${file}.logs`;
      expect({ again, history: file, logs, found, neverDone }).toEqual({
        again,
        history: file,
        logs,
        found: [],
        neverDone: [],
      });
      // What is wrong is looked for in it; where nothing is, it is of no use.
      rmSync(file);
    },
    minutes * MINUTE + 7 * MINUTE,
  );
}
