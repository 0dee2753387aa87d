import { type Command, InvalidArgumentError } from 'commander';
import { CommandFailed, UsageError } from '../../../apps/cli/src/output/errors.js';
import { seedOf } from '../../../apps/cli/src/input/seed.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { total, type Outcome } from '../suites/outcome.js';
import type { Suite, SuiteContext } from '../suites/suite.js';
import { ALL, SUITES } from '../suites/suites.js';

const FULL_FACTOR = 4;
/** A run of all suites has an hour, in which packages are installed first. */
const END_WITHIN_MS = 57 * 60_000;

export function registerTest(program: Command): void {
  const list = SUITES.map((suite) => `  ${suite.name.padEnd(12)} ${suite.about}`).join('\n');
  program
    .command('test')
    .argument('[suite...]', 'all but unit by default, which quick contains')
    .option('--full', 'the long sizes')
    .option('--seed <n>', 'of fault: this seed in the place of the usual two', seedOf)
    .option('--minutes <m>', 'of fault: how long faults go on for each seed', minutesOf)
    .description('run the tests of the project')
    .addHelpText(
      'after',
      `\nSuites:\n${list}\n\nExamples:\n  hostward test quick\n  hostward test e2e vm\n  hostward test fault --seed 7 --minutes 10`,
    )
    .action(async (names: string[], options: Options) => {
      const suites = names.length === 0 ? ALL : names.map(suiteOf);
      if (!names.includes('fault') && (options.seed ?? options.minutes) !== undefined)
        throw new UsageError('--seed and --minutes are of the suite fault: name it');
      const outcome = await runAll(suites, options);
      outcome.skipped.forEach((name) => console.log(`SKIPPED  ${name}`));
      outcome.failed.forEach((name) => console.log(`FAILED  ${name}`));
      console.log(
        `${outcome.passed} passed, ${outcome.failed.length} failed, ${outcome.skipped.length} skipped`,
      );
      if (outcome.failed.length > 0) throw new CommandFailed('tests failed');
      if (outcome.passed + outcome.skipped.length === 0) throw new CommandFailed('no test ran');
    });
}

interface Options {
  readonly full?: boolean;
  readonly seed?: number;
  readonly minutes?: number;
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (minutes >= 0.2 && minutes <= 600) return minutes;
  throw new InvalidArgumentError('use minutes from 0.2 to 600.');
}

async function runAll(
  suites: readonly Suite[],
  { full = false, ...of }: Options,
): Promise<Outcome> {
  const isInHaste = suites === ALL && !full;
  const endBefore = isInHaste ? Date.now() + END_WITHIN_MS : undefined;
  const outcomes: Outcome[] = [];
  for (const group of isInHaste ? groupsOf(suites) : suites.map((suite) => [suite]))
    outcomes.push(
      ...(await Promise.all(group.map((suite) => runOne(suite, { full, endBefore, ...of })))),
    );
  return total(outcomes);
}

/** One after the other, but for those that leave the cores to the one after them. */
function groupsOf(suites: readonly Suite[]): readonly (readonly Suite[])[] {
  const groups: Suite[][] = [];
  for (const [index, suite] of suites.entries()) {
    const isBeside = suites[index - 1]?.leavesCores === true;
    if (isBeside) groups.at(-1)?.push(suite);
    else groups.push([suite]);
  }
  return groups;
}

async function runOne(
  suite: Suite,
  { full, ...of }: Omit<SuiteContext, 'root' | 'timeoutMs'>,
): Promise<Outcome> {
  const minutes = suite.budgetMinutes * (full ? FULL_FACTOR : 1);
  console.log(`== ${suite.name}: ${suite.about} (budget ${minutes} min)`);
  const started = Date.now();
  const outcome = await suite.run({
    root: packageRoot(),
    full,
    timeoutMs: minutes * 60_000,
    ...of,
  });
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(
    `== ${suite.name}: ${outcome.passed} passed, ${outcome.failed.length} failed, ${outcome.skipped.length} skipped in ${seconds} s`,
  );
  return outcome;
}

function suiteOf(name: string): Suite {
  const found = SUITES.find((suite) => suite.name === name);
  if (found === undefined) {
    throw new UsageError(
      `"${name}" is not a suite: use ${SUITES.map((suite) => suite.name).join(', ')}`,
    );
  }
  return found;
}
