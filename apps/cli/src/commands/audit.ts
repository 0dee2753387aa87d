import { join } from 'node:path';
import type { Command } from 'commander';
import { CommandFailed } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { readExceptions } from '../supply/audit-exceptions.js';
import { judge, readReport } from '../supply/audit-report.js';
import { npm } from '../supply/npm.js';

/** Nothing is known, because the registry does not tell: neither good nor bad. */
const EXIT_UNKNOWN = 3;
const EXCEPTIONS = 'tools/audit-exceptions.json';

/** What came of an audit: `found` are lines for people. */
export type Audit =
  | { readonly verdict: 'clean' | 'vulnerable'; readonly found: readonly string[] }
  | { readonly verdict: 'unknown'; readonly reason: string };

export function registerAudit(program: Command): void {
  program
    .command('audit')
    .description('look for known vulnerabilities in what is shipped')
    .addHelpText(
      'after',
      `\nExceptions, with reason and end: ${EXCEPTIONS}\nExit codes: 0 none, 1 some, 3 the registry cannot tell.\n\nExample:\n  hostward audit`,
    )
    .action(async () => {
      const audit = await auditProduct(packageRoot());
      if (audit.verdict === 'unknown') {
        throw new CommandFailed(
          `the registry cannot tell: ${audit.reason}`,
          'run it where the registry has an audit endpoint, e.g. registry.npmjs.org',
          { exitCode: EXIT_UNKNOWN },
        );
      }
      for (const line of audit.found) console.log(line);
      if (audit.verdict === 'vulnerable')
        throw new CommandFailed('vulnerabilities are known', `update, or add to ${EXCEPTIONS}`);
      console.log('no known vulnerability in what is shipped');
    });
}

/** Asks the registry about all production dependencies, and takes off what is excepted. */
export async function auditProduct(root: string, now = Date.now()): Promise<Audit> {
  const exceptions = readExceptions(join(root, EXCEPTIONS), now);
  const { stdout, stderr } = await npm(root, ['audit', '--omit=dev', '--json']);
  const report = readReport(stdout, stderr);
  if (report.kind === 'unavailable') return { verdict: 'unknown', reason: report.reason };
  const { open, idle } = judge(report.advisories, exceptions, now);
  const found = [
    ...open.map((each) => `${each.severity}: ${each.package}: ${each.title} (${each.url})`),
    ...idle.map(
      (each) => `an exception that ended or covers nothing: ${each.advisory} (${each.package})`,
    ),
  ];
  return { verdict: open.length === 0 && idle.length === 0 ? 'clean' : 'vulnerable', found };
}
