import type { Command } from 'commander';
import type { ApplyResponse, NodeView } from '#contracts';
import { stringify } from 'yaml';
import { UsageError } from '../errors.js';
import { readInputs } from '../input/files.js';
import { parseLabelChanges } from '../input/labels.js';
import { printRows } from '../output/print.js';
import { acceptedDocuments } from './documents.js';
import { kindOf } from './kinds.js';
import { changeLabels } from './label.js';
import { withControlPlane } from './session.js';

/** The verbs of karmor's old `vm` command, for hands that know them. */
export function registerVm(program: Command): void {
  const vm = program.command('vm').description("hosts in karmor's manner");
  vm.command('add')
    .argument('<file>', 'a KubeArmorVirtualMachine file')
    .description('declare hosts')
    .action((file: string) => send(file, 'KubeArmorVirtualMachine'));
  vm.command('list')
    .description('list hosts')
    .action(async () => {
      const nodes = kindOf('nodes');
      const rows = await withControlPlane((controlPlane) => controlPlane.all<never>('/v1/nodes'));
      printRows(rows, 'table', nodes.columns, nodes.nameOf);
    });
  vm.command('delete')
    .argument('<name>')
    .description('offboard a host, by exact name')
    .action(async (name: string) => {
      await withControlPlane((controlPlane) =>
        controlPlane.call(`/v1/nodes/${encodeURIComponent(name)}`, { method: 'DELETE' }),
      );
      console.log(`nodes/${name} deleted`);
    });
  vm.command('label')
    .argument('<name>')
    .argument('[changes...]', 'key=value sets, key- removes; none lists')
    .description('list or change labels')
    .action((name: string, changes: string[]) =>
      changes.length === 0 ? listLabels(name) : changeLabels(name, parseLabelChanges(changes)),
    );
  const policy = vm.command('policy').description('policies of hosts');
  policy
    .command('add')
    .argument('<file>')
    .description('apply a policy file')
    .action((file: string) => send(file, 'KubeArmorHostPolicy'));
}

async function send(file: string, kind: string): Promise<void> {
  const documents = acceptedDocuments(await readInputs([file]), {});
  const other = documents.find(({ document }) => document.kind !== kind);
  if (other !== undefined)
    throw new UsageError(
      `${file} holds a ${other.document.kind}, not only ${kind}: use \`hostward apply\``,
    );
  const body = documents.map(({ document }) => stringify(document.document)).join('---\n');
  const response = await withControlPlane((controlPlane) =>
    controlPlane.call<ApplyResponse>('/v1/apply', { method: 'POST', body }),
  );
  for (const document of response.documents)
    console.log(`${document.kind}/${document.name} ${document.verdict}`);
}

async function listLabels(name: string): Promise<void> {
  const node = await withControlPlane((controlPlane) =>
    controlPlane.call<NodeView>(`/v1/nodes/${encodeURIComponent(name)}`),
  );
  for (const [key, value] of Object.entries(node.labels)) console.log(`${key}=${value}`);
}
