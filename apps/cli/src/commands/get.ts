import type { Command } from 'commander';
import type { Page } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { UsageError } from '../output/errors.js';
import { segment } from '../input/names.js';
import { selectorOf } from '../input/selector.js';
import { outputFormat, printObject, printRows, type OutputFormat } from '../output/print.js';
import { WatchPrinter, type Batch } from '../output/watch-printer.js';
import { KINDS, kindOf, type Kind } from './kinds.js';
import { withControlPlane } from '../client/session.js';
import { changesOf, changesOfNodes, type Choice } from './watched.js';

/** Alerts are without end: the newest ones are what a list shows. */
const ALERTS_SHOWN = '100';

interface Options {
  readonly output: OutputFormat;
  readonly selector?: string;
  readonly watch?: boolean;
}

export function registerGet(program: Command): void {
  program
    .command('get')
    .argument('<kind>', KINDS.map((kind) => kind.plural).join(', '))
    .argument('[name]', 'one of them, or a pattern of names')
    .option('-o, --output <format>', 'table, json, yaml or name', outputFormat, 'table')
    .option(
      '-l, --selector <selector>',
      'labels, e.g. "env=prod,tier in (web,db)"',
      selectorOf('no --selector'),
    )
    .option('-w, --watch', 'then print what changes, until interrupted')
    .description('list objects of a kind, or show one')
    .addHelpText(
      'after',
      `
Examples:
  hostward get nodes -l env=prod
  hostward get nodes 'web-*'
  hostward get policies -o name
  hostward get policy block-sleep -o yaml
  hostward get nodes --watch
In a pattern "*" stands for any characters and "?" for one. Nodes, policies and
groups are found so; in quotes, lest the shell take it for files.
-o json prints an array, and with a name one object. With --watch it prints one
object a line: each once, then whenever it changes; what is gone is told on
standard error. A control plane that is away is waited for.`,
    )
    .action(async (word: string, name: string | undefined, options: Options) => {
      const kind = kindOf(word);
      if (options.selector !== undefined && !kind.labelled)
        throw new UsageError(`${kind.plural} are not chosen by labels: leave -l out`);
      const isPattern = name !== undefined && /[*?]/.test(name);
      if (isPattern && !kind.searched)
        throw new UsageError(`${kind.plural} are not found by a pattern: write a whole name`);
      const one = isPattern ? undefined : name;
      const choice = { selector: options.selector, name: isPattern ? name : undefined };
      const read = (controlPlane: ControlPlane): Promise<never[]> =>
        rowsOf(controlPlane, kind, one, choice);
      await withControlPlane(async (controlPlane) => {
        if (options.watch) {
          const streamed = kind.plural === 'nodes' && one === undefined;
          const batches = streamed
            ? changesOfNodes(controlPlane, choice)
            : changesOf(() => read(controlPlane));
          return watch(batches, kind, options.output);
        }
        const rows = await read(controlPlane);
        const { output } = options;
        if (one === undefined || (output !== 'json' && output !== 'yaml'))
          return printRows(rows, output, kind.columns, kind.nameOf);
        printObject(rows[0], output);
      });
    });
}

async function rowsOf(
  controlPlane: ControlPlane,
  kind: Kind,
  one: string | undefined,
  choice: Choice,
): Promise<never[]> {
  if (one !== undefined) return [await controlPlane.call<never>(`${kind.path}/${segment(one)}`)];
  if (kind.plural !== 'alerts') return controlPlane.all<never>(kind.path, choice);
  const query = { limit: ALERTS_SHOWN };
  const page = await controlPlane.call<Page<never>>(kind.path, { query });
  if (page.next !== undefined)
    console.error(
      `the newest ${ALERTS_SHOWN}; \`hostward logs --limit N --since 1h\` shows others`,
    );
  return [...page.items];
}

async function watch(
  batches: AsyncGenerator<Batch<never>>,
  kind: Kind,
  output: OutputFormat,
): Promise<void> {
  const printer = new WatchPrinter(kind, output);
  for await (const batch of batches) printer.print(batch);
}
