import type { Command } from 'commander';
import type { Alert } from '#contracts';
import { UsageError } from '../errors.js';
import { printObject } from '../output/print.js';
import { withControlPlane } from './session.js';

interface Explanation {
  readonly selected: boolean;
  readonly tests: readonly {
    readonly test: string;
    readonly holds: boolean;
    readonly actual?: string;
  }[];
}

export function registerExplain(program: Command): void {
  const explain = program
    .command('explain')
    .description('why a host has a policy, or why something was denied');
  explain
    .command('node')
    .argument('<node>')
    .argument('<kind>', 'policy')
    .argument('<policy>')
    .description('each label test of a policy against a host')
    .addHelpText('after', '\nExample:\n  hostward explain node web1 policy block-sleep')
    .action(async (node: string, kind: string, policy: string) => {
      if (kind !== 'policy') throw new UsageError('write: explain node NAME policy NAME');
      const explanation = await withControlPlane((controlPlane) =>
        controlPlane.call<Explanation>(`/v1/nodes/${encodeURIComponent(node)}/explain`, {
          query: { policy },
        }),
      );
      for (const test of explanation.tests) {
        console.log(
          `${test.holds ? 'yes' : 'NO '}  ${test.test}${test.actual === undefined ? '' : `  (the host has ${test.actual})`}`,
        );
      }
      console.log(
        explanation.selected
          ? `policy ${policy} selects ${node}`
          : `policy ${policy} does not select ${node}`,
      );
    });
  explain
    .command('denial')
    .argument('<event>', 'EventID of an alert')
    .description('the rule that caused an alert')
    .action(async (event: string) => {
      const alert = await withControlPlane((controlPlane) =>
        controlPlane.call<Alert>(`/v1/alerts/${encodeURIComponent(event)}`),
      );
      printObject(
        { policy: alert.PolicyName, revision: alert.PolicyRevision, rule: alert.RuleID, alert },
        'yaml',
      );
    });
}
