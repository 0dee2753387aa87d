import type { Command } from 'commander';
import type { Alert, ExplanationView, SelectorTestView } from '#contracts';
import { UsageError } from '../output/errors.js';
import { segment } from '../input/names.js';
import { hostQuestion } from '../output/host-question.js';
import { printObject } from '../output/print.js';
import { printable } from '../output/printable.js';
import { withControlPlane } from '../client/session.js';

export function registerExplain(program: Command): void {
  const explain = program
    .command('explain')
    .description('why a host has a policy, or why something was denied')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward explain node web1 policy block-sleep\n  hostward explain denial EVENT',
    );
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
        controlPlane.call<ExplanationView>(`/v1/nodes/${segment(node)}/explain`, {
          query: { policy },
        }),
      );
      printTests(explanation.tests, '');
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
    .addHelpText(
      'after',
      '\nExample:\n  hostward explain denial "$(hostward get alerts -o name | head -1)"\n' +
        '\nThe rule is the one that the host named. What its kernel judges by now is asked\n' +
        'there, as root, by the command in the answer: `hostward-sensor explain`.',
    )
    .action(async (event: string) => {
      const alert = await withControlPlane((controlPlane) =>
        controlPlane.call<Alert>(`/v1/alerts/${segment(event)}`),
      );
      const { PolicyName: policy, PolicyRevision: revision, RuleID: rule, Node: node } = alert;
      const askThere = { node, command: hostQuestion(alert) };
      printObject({ policy, revision, rule, askThere, alert }, 'yaml');
    });
}

/** A group's own tests stand below the test that names it. */
function printTests(tests: readonly SelectorTestView[], indent: string): void {
  for (const { test, actual, holds, within } of tests) {
    const has = actual === '(absent)' ? 'nothing' : printable(actual);
    console.log(`${indent}${holds ? 'yes' : 'NO '}  ${printable(test)}  (the host has ${has})`);
    printTests(within ?? [], `${indent}  `);
  }
}
