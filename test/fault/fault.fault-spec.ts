import { describe, expect, it } from '@jest/globals';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { AppArmorParser } from '#testing';
import { RULES } from './checks/violation.js';
import { FaultRun } from './support/run.js';

const MINUTE = 60_000;
const FIXED = 1;
const CI_MINUTES = 0.6;
const minutes = Number(env['HOSTWARD_FAULT_MINUTES'] ?? CI_MINUTES);
const chosen = env['HOSTWARD_FAULT_SEED'];
const random = Math.floor(Math.random() * 1_000_000_000);
const seeds = chosen === undefined ? [FIXED, random] : [Number(chosen)];

const canRun = AppArmorParser.find() !== undefined;
const skipped = canRun ? '' : ' (skipped: apparmor_parser is not installed)';

(canRun ? describe : describe.skip)(`one control plane under faults${skipped}`, () => {
  it.each(seeds)(
    'breaks no rule with seed %i',
    async (seed) => {
      const file = join(tmpdir(), `hostward-fault-${seed}-${Date.now()}.jsonl`);
      const again = `./hostward test fault --seed ${seed} --minutes ${minutes}`;
      process.stdout.write(`seed ${seed}, ${minutes} min; history ${file}; again: ${again}\n`);
      const { violations, figures } = await FaultRun.of(seed, minutes * MINUTE, file);
      process.stdout.write(`seed ${seed}: ${figures}\n`);
      const found = violations.map(({ rule, at, what }) => `${RULES[rule]} (line ${at}): ${what}`);
      expect({ again, history: file, found }).toEqual({ again, history: file, found: [] });
    },
    minutes * MINUTE + 7 * MINUTE,
  );
});
