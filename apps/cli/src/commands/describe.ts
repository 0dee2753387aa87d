import type { Command } from 'commander';
import { printObject } from '../output/print.js';
import { kindOf } from './kinds.js';
import { withControlPlane } from './session.js';

export function registerDescribe(program: Command): void {
  program
    .command('describe')
    .argument('<kind>', 'node, group, policy, join-token or suspension')
    .argument('<name>')
    .option('-o, --output <format>', 'yaml or json', 'yaml')
    .description('show one object in full, with its status where it has one')
    .action(async (word: string, name: string, options: { output: string }) => {
      const kind = kindOf(word);
      const path = `${kind.path}/${encodeURIComponent(name)}`;
      await withControlPlane(async (controlPlane) => {
        const object = await controlPlane.call<object>(path);
        const hasStatus = kind.plural === 'nodes' || kind.plural === 'policies';
        const status = hasStatus
          ? { status: await controlPlane.call<object>(`${path}/status`) }
          : {};
        printObject({ ...object, ...status }, options.output === 'json' ? 'json' : 'yaml');
      });
    });
}
