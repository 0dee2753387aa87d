import { join } from 'node:path';
import { execPath } from 'node:process';
import { runChild } from './child.js';
import { total, type Outcome } from './outcome.js';

interface Check {
  readonly name: string;
  readonly args: readonly string[];
}

/** Static checks of the sources; each counts as one test. */
const CHECKS: readonly Check[] = [
  {
    name: 'types hold (tsc)',
    args: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json'],
  },
  {
    name: 'lint holds (eslint, type-aware)',
    args: ['node_modules/eslint/bin/eslint.js', 'apps', 'libs', 'test', 'tools'],
  },
  {
    name: 'format holds (prettier)',
    args: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'],
  },
  {
    name: 'import rules hold (dependency-cruiser)',
    args: [
      'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      '--config',
      '.dependency-cruiser.cjs',
      'apps',
      'libs',
      'test',
      'tools',
    ],
  },
  { name: 'no dead code (knip)', args: ['node_modules/knip/bin/knip.js', '--no-progress'] },
];

/** Runs all checks, two at a time, since each uses one core. */
export async function runChecks(root: string, timeoutMs: number): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  const waiting = [...CHECKS];
  const worker = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      outcomes.push(await runCheck(root, check, timeoutMs));
    }
  };
  await Promise.all([worker(), worker()]);
  return total(outcomes);
}

async function runCheck(root: string, check: Check, timeoutMs: number): Promise<Outcome> {
  const [script = '', ...rest] = check.args;
  const code = await runChild(execPath, [join(root, script), ...rest], { cwd: root, timeoutMs });
  console.log(`${code === 0 ? 'ok' : 'FAILED'}  ${check.name}`);
  return code === 0
    ? { passed: 1, failed: [], skipped: [] }
    : { passed: 0, failed: [check.name], skipped: [] };
}
