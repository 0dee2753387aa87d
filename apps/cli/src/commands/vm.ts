import type { Command } from 'commander';
import type { ApplyResponse, NodeView } from '#contracts';
import { stringify } from 'yaml';
import { CommandFailed, UsageError } from '../output/errors.js';
import { readInputs, type InputFile } from '../input/files.js';
import { parseKarmorLabels, parseLabelChanges } from '../input/labels.js';
import { segment } from '../input/names.js';
import { declaredHosts } from '../input/vm-list.js';
import { printRows } from '../output/print.js';
import { deleteAll } from './delete.js';
import { acceptedDocuments, checkFiles } from './documents.js';
import { kindOf } from './kinds.js';
import { registerGetScript } from './get-script.js';
import { changeLabels } from './label.js';
import { withControlPlane } from '../client/session.js';

const EXAMPLES = `
Examples:
  hostward vm add web1.yaml
  hostward vm label add --vm web1 --label env:prod,tier:web
  hostward vm label web1 env=prod old-
  hostward vm policy add block-sleep.yaml
  hostward vm getscript web1 --control-plane https://cp.example:7443 > web1.sh
  hostward vm delete web1`;

/** The verbs of karmor's old `vm` command, for hands that know them. */
export function registerVm(program: Command): void {
  const vm = program
    .command('vm')
    .description("hosts in karmor's manner")
    .addHelpText('after', EXAMPLES);
  vm.command('add')
    .argument('<file>', 'KubeArmorVirtualMachine documents, or the answer of /vmlist')
    .description('declare hosts')
    .action(declare);
  vm.command('list').description('list hosts').action(list);
  vm.command('delete')
    .argument('<name>', 'an exact name, or the file that declares it')
    .description('offboard a host')
    .action((name: string) => remove(name, 'KubeArmorVirtualMachine', 'node'));
  registerGetScript(vm);
  registerLabels(vm);
  const policy = vm.command('policy').description('policies of hosts');
  policy
    .command('add')
    .argument('<file>')
    .description('apply a policy file')
    .action(async (file: string) => send(await readInputs([file]), 'KubeArmorHostPolicy', file));
  policy
    .command('delete')
    .argument('<name>', 'an exact name, or its file')
    .description('delete a policy')
    .action((name: string) => remove(name, 'KubeArmorHostPolicy', 'policy'));
}

function registerLabels(vm: Command): void {
  const label = vm
    .command('label')
    .argument('[name]')
    .argument('[changes...]', 'key=value sets, key- removes; none lists')
    .description('list or change labels')
    .action((name: string | undefined, changes: string[]) => {
      if (name === undefined)
        throw new UsageError('name a host: vm label NAME, or add, delete, list');
      return changes.length === 0
        ? listLabels(name)
        : changeLabels(name, parseLabelChanges(changes));
    });
  for (const verb of ['add', 'delete'] as const) {
    label
      .command(verb)
      .requiredOption('--vm <name>', 'the host')
      .requiredOption('--label <labels>', 'key:value,key:value')
      .description(verb === 'add' ? 'set labels' : 'remove labels')
      .action((options: { vm: string; label: string }) =>
        changeLabels(options.vm, parseKarmorLabels(options.label, verb)),
      );
  }
  label
    .command('list')
    .requiredOption('--vm <name>', 'the host')
    .description('show labels')
    .action((options: { vm: string }) => listLabels(options.vm));
}

async function list(): Promise<void> {
  const nodes = kindOf('nodes');
  const rows = await withControlPlane((controlPlane) => controlPlane.all<never>(nodes.path));
  printRows(rows, 'table', nodes.columns, nodes.nameOf);
}

async function declare(file: string): Promise<void> {
  const files = (await readInputs([file])).map(declaredHosts);
  await send(files, 'KubeArmorVirtualMachine', file);
}

async function send(files: readonly InputFile[], kind: string, file: string): Promise<void> {
  const documents = acceptedDocuments(files, {});
  documents.forEach(({ document }) => mustBe(kind, document.kind, file));
  const body = documents.map(({ document }) => stringify(document.document)).join('---\n');
  const response = await withControlPlane((controlPlane) =>
    controlPlane.call<ApplyResponse>('/v1/apply', { method: 'POST', body }),
  );
  for (const document of response.documents)
    console.log(`${document.kind}/${document.name} ${document.verdict}`);
}

async function remove(word: string, kind: string, singular: string): Promise<void> {
  const names = /\.(ya?ml|json)$/.test(word) ? await namesIn(word, kind) : [word];
  await deleteAll(names.map((name) => ({ kind: kindOf(singular), name })));
}

async function namesIn(file: string, kind: string): Promise<string[]> {
  const { documents } = checkFiles(await readInputs([file]), 'lenient', { allHosts: true });
  if (documents.length === 0)
    throw new CommandFailed(`${file} holds no document that can be read; nothing was deleted`);
  documents.forEach(({ document }) => mustBe(kind, document.kind, file));
  return documents.map(({ document }) => document.name);
}

function mustBe(kind: string, found: string, file: string): void {
  if (found === kind) return;
  const what = found === '' ? 'document without a kind' : found;
  throw new UsageError(`${file} holds a ${what}, not only ${kind}: use \`hostward apply|delete\``);
}

async function listLabels(name: string): Promise<void> {
  const node = await withControlPlane((controlPlane) =>
    controlPlane.call<NodeView>(`/v1/nodes/${segment(name)}`),
  );
  const labels = Object.entries(node.labels);
  if (labels.length === 0) return console.log('No labels.');
  for (const [key, value] of labels) console.log(`${key}=${value}`);
}
