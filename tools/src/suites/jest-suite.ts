import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { runChild } from './child.js';
import { outcomeOf, type JestReport } from './jest-report.js';
import type { Outcome } from './outcome.js';

export interface JestSuite {
  readonly root: string;
  /** What it is called where it fails as a whole. */
  readonly name: string;
  /** Regular expression that selects the suite's files by path. */
  readonly files: string;
  readonly workers: number;
  readonly timeoutMs: number;
  readonly full: boolean;
  /** Beside what every suite has. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Pattern of the files of one suffix, e.g. `int-spec`. */
export const ofSuffix = (suffix: string): string => `\\.${suffix}\\.ts$`;

/** Runs the Jest files of a suite; a run without a result file, or over its time, is a failure of its own. */
export async function runJest(suite: JestSuite): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'hostward-test-'));
  const file = join(folder, 'result.json');
  try {
    const code = await runChild(execPath, jestArguments(suite, file), {
      cwd: suite.root,
      env: {
        ...suite.env,
        HOSTWARD_FULL: suite.full ? '1' : undefined,
        // Suites start the product's programs many hundred times; a third of a start is the compilation of its code.
        NODE_COMPILE_CACHE: join(suite.root, 'build', 'compile-cache'),
      },
      timeoutMs: suite.timeoutMs,
    });
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) return noResult(suite, code);
    const outcome = outcomeOf(JSON.parse(text) as JestReport);
    const isUnexplained = code !== 0 && outcome.failed.length === 0;
    return isUnexplained
      ? { ...outcome, failed: [`${suite.name} ended with code ${code}, and no test failed`] }
      : outcome;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function jestArguments(suite: JestSuite, file: string): string[] {
  return [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    join(suite.root, 'node_modules/jest/bin/jest.js'),
    `--testRegex=${suite.files}`,
    suite.workers === 1 ? '--runInBand' : `--maxWorkers=${suite.workers}`,
    '--json',
    `--outputFile=${file}`,
    '--silent=false',
    // Not left to Node, which at times never ends once nothing is left to do.
    '--forceExit',
  ];
}

function noResult(suite: JestSuite, code: number): Outcome {
  const why =
    code === 124
      ? `did not end within ${suite.timeoutMs / 1000} s`
      : `ended with code ${code} and no result`;
  return { passed: 0, failed: [`${suite.name} ${why}`], skipped: [] };
}
