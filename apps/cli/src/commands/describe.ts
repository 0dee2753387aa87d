import type { Command } from 'commander';
import { segment } from '../input/names.js';
import { oneOf, printObject } from '../output/print.js';
import { kindOf } from './kinds.js';
import { withControlPlane } from '../client/session.js';

export function registerDescribe(program: Command): void {
  program
    .command('describe')
    .argument('<kind>', 'node, group, policy, alert, join-token, suspension or exception')
    .argument('<name>')
    .option('-o, --output <format>', 'yaml or json', oneOf('-o', 'yaml', 'json'), 'yaml')
    .description('show one object in full, with its status where it has one')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward describe node web1\n  hostward describe policy block-sleep -o json',
    )
    .action(async (word: string, name: string, options: { output: 'yaml' | 'json' }) => {
      const kind = kindOf(word);
      const path = `${kind.path}/${segment(name)}`;
      await withControlPlane(async (controlPlane) => {
        const object = await controlPlane.call<object>(path);
        const hasStatus = kind.plural === 'nodes' || kind.plural === 'policies';
        const status = hasStatus
          ? { status: await controlPlane.call<object>(`${path}/status`) }
          : {};
        printObject({ ...object, ...status }, options.output);
      });
    });
}
