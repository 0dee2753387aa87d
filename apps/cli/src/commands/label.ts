import type { Command } from 'commander';
import type { NodeView } from '#contracts';
import { UsageError } from '../output/errors.js';
import { segment } from '../input/names.js';
import { parseLabelChanges } from '../input/labels.js';
import { withControlPlane } from '../client/session.js';

export function registerLabel(program: Command): void {
  program
    .command('label')
    .argument('<kind>', 'node')
    .argument('<name>')
    .argument('<changes...>', 'key=value sets, key- removes')
    .description('change the labels of a host; its policies follow at once')
    .addHelpText('after', '\nExample:\n  hostward label node web1 env=prod tier=web old-')
    .action(async (kind: string, name: string, changes: string[]) => {
      if (!['node', 'nodes', 'vm'].includes(kind))
        throw new UsageError(`only nodes have labels, not "${kind}"`);
      await changeLabels(name, parseLabelChanges(changes));
    });
}

/** Changes a node's labels and prints what it then has. */
export async function changeLabels(
  name: string,
  changes: Record<string, string | null>,
): Promise<void> {
  const node = await withControlPlane((controlPlane) =>
    controlPlane.call<NodeView>(`/v1/nodes/${segment(name)}/labels`, {
      method: 'PATCH',
      body: { labels: changes },
    }),
  );
  const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
  console.log(`node/${name} labels: ${labels.join(' ') || '(none)'}`);
}
