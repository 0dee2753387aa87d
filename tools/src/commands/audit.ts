import type { Command } from 'commander';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { auditProduct, EXCEPTIONS } from '../supply/audit-product.js';

/** Nothing is known, because the registry does not tell: neither good nor bad. */
const EXIT_UNKNOWN = 3;

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
