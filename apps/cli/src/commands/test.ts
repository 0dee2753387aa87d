import type { Command } from 'commander';
import { CommandFailed, UsageError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { total, type Outcome } from '../suites/outcome.js';
import { ALL, SUITES, type Suite } from '../suites/suites.js';

const FULL_FACTOR = 4;

export function registerTest(program: Command): void {
  const list = SUITES.map((suite) => `  ${suite.name.padEnd(12)} ${suite.about}`).join('\n');
  program
    .command('test')
    .argument('[suite...]', 'all but unit by default, which quick contains')
    .option('--full', 'the long sizes')
    .description('run the tests of the project')
    .addHelpText(
      'after',
      `\nSuites:\n${list}\n\nExamples:\n  hostward test quick\n  hostward test e2e vm`,
    )
    .action(async (names: string[], options: { full?: boolean }) => {
      const suites = names.length === 0 ? ALL : names.map(suiteOf);
      const outcome = await runAll(suites, options.full === true);
      outcome.skipped.forEach((name) => console.log(`SKIPPED  ${name}`));
      outcome.failed.forEach((name) => console.log(`FAILED  ${name}`));
      console.log(
        `${outcome.passed} passed, ${outcome.failed.length} failed, ${outcome.skipped.length} skipped`,
      );
      if (outcome.failed.length > 0) throw new CommandFailed('tests failed');
      if (outcome.passed === 0) throw new CommandFailed('no test ran');
    });
}

async function runAll(suites: readonly Suite[], full: boolean): Promise<Outcome> {
  const root = packageRoot();
  const outcomes: Outcome[] = [];
  for (const suite of suites) {
    const minutes = suite.budgetMinutes * (full ? FULL_FACTOR : 1);
    console.log(`== ${suite.name}: ${suite.about} (budget ${minutes} min)`);
    const started = Date.now();
    const outcome = await suite.run({ root, full, timeoutMs: minutes * 60_000 });
    const seconds = Math.round((Date.now() - started) / 1000);
    console.log(
      `== ${suite.name}: ${outcome.passed} passed, ${outcome.failed.length} failed, ${outcome.skipped.length} skipped in ${seconds} s`,
    );
    outcomes.push(outcome);
  }
  return total(outcomes);
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
