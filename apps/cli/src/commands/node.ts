import type { Command } from 'commander';
import type { NodeView } from '#contracts';
import { segment } from '../input/names.js';
import { printable } from '../output/printable.js';
import { registerNodeLife } from './node-life.js';
import { registerNodePreflight } from './node-preflight.js';
import { withControlPlane } from '../client/session.js';

const EXAMPLES = `
Examples:
  hostward node preflight root@web1.example
  hostward node revoke web1 --reason "disk was stolen"
  hostward node reinstate web1  # it was cut off from Redis, and is mended
  hostward node offboard web1   # then its name is free again
  hostward node replace web1    # a new machine takes its place`;

export function registerNode(program: Command): void {
  const node = program
    .command('node')
    .description('what is done to one host')
    .addHelpText('after', EXAMPLES);
  registerNodePreflight(node);
  registerNodeLife(node);
  node
    .command('reinstate')
    .argument('<node>')
    .description('let it into Redis before the ten minutes of its cut-off are over')
    .action(async (name: string) => {
      await withControlPlane((controlPlane) =>
        controlPlane.call(`/v1/nodes/${segment(name)}/reinstate`, { method: 'POST' }),
      );
      console.log(`node/${name} reinstated`);
    });
  node
    .command('revoke')
    .argument('<node>')
    .option('--reason <text>', 'why; kept in the audit log, and told to the host')
    .description('end its identity for good: sessions, Redis user, certificate')
    .addHelpText(
      'after',
      `${EXAMPLES}
The host keeps enforcing what it had, and gets nothing more. Its keys never
count again. To let the machine in with new ones, make its name free
(hostward delete node web1), then on it, as root:
  systemctl stop hostward-agent
  rm -r /var/lib/hostward/agent /var/lib/hostward/trust
  /usr/lib/hostward/setup.sh configure no-start
  hostward-agent enroll --token-file stdin --name web1 \\
    --agent-user hostward < token
  systemctl restart hostward-compiler.socket hostward-sensor hostward-agent
/var/lib/hostward/sensor is to stay: a sensor that runs holds it open.`,
    )
    .action(async (name: string, { reason }: { reason?: string }) => {
      const view = await withControlPlane((controlPlane) =>
        controlPlane.call<NodeView>(`/v1/nodes/${segment(name)}/revoke`, {
          method: 'POST',
          body: { reason },
        }),
      );
      const { at, reason: kept } = view.revocation ?? { at: '', reason: '' };
      console.log(`node/${name} revoked at ${at}: ${printable(kept)}`);
    });
}
