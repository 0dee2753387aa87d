import type { Command } from 'commander';
import type { GroupView, NodeStatus, NodeView, PolicyView } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { hosts } from '../output/counted.js';
import { outputFile, tellOf, writeOutput, type Put } from '../output/output-file.js';
import { print } from '../output/standard-output.js';
import { productVersion } from '../product/product-version.js';
import { withControlPlane } from '../client/session.js';

interface Options {
  readonly output?: string;
}

/** A status has every rule of every policy of its host: a page of many hosts would be an answer of many megabytes. */
const STATUSES_A_PAGE = '100';

/** `export`: what is wanted and what is, of a whole fleet. */
export function registerExport(program: Command): void {
  program
    .command('export')
    .option(
      '-o, --output <file>',
      'written whole or not at all; standard output if absent',
      outputFile('-o'),
    )
    .description('the state of the whole fleet, one JSON object a line')
    .addHelpText(
      'after',
      `
Examples:
  hostward export -o fleet-2026-11-26.jsonl
  hostward export | jq 'select(.kind == "NodeStatus" and .connected == false)'
A line each, by "kind": Export (when, of which control plane), Policy, Group,
Node, NodeStatus, and End with their numbers: where it is missing, the export
is not whole. Pages are of the moment when they were read, not of one moment.
It holds what the token may read, and no secret. To restore from: backup.`,
    )
    .action(exportFleet);
}

async function exportFleet({ output }: Options): Promise<void> {
  if (output === undefined) {
    await withControlPlane((controlPlane) => writeAll(controlPlane, print));
    return;
  }
  let nodes = 0;
  await writeOutput(output, async (put) => {
    nodes = await withControlPlane((controlPlane) => writeAll(controlPlane, put));
  });
  tellOf(output, `${output}: ${hosts(nodes)}`);
}

/** Writes all of it; the number of hosts. */
async function writeAll(controlPlane: ControlPlane, write: Put): Promise<number> {
  const { url } = controlPlane;
  const put = (object: object): Promise<void> => write(`${JSON.stringify(object)}\n`);
  await put({ kind: 'Export', v: 1, at: new Date().toISOString(), url, by: productVersion() });
  const each = async <T extends object>(kind: string, path: string, limit?: string) => {
    let count = 0;
    for await (const page of controlPlane.pages<T>(path, limit === undefined ? {} : { limit }))
      for (const item of page) {
        await put({ kind, ...item });
        count += 1;
      }
    return count;
  };
  const policies = await each<PolicyView>('Policy', '/v1/policies');
  const groups = await each<GroupView>('Group', '/v1/groups');
  const nodes = await each<NodeView>('Node', '/v1/nodes');
  const statuses = await each<NodeStatus>('NodeStatus', '/v1/node-statuses', STATUSES_A_PAGE);
  await put({ kind: 'End', policies, groups, nodes, statuses });
  return nodes;
}
