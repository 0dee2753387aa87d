import type { Command } from 'commander';
import { outputFormat, printRows, type OutputFormat } from '../output/print.js';
import { kindOf, type Kind } from './kinds.js';
import { withControlPlane } from './session.js';
import type { ControlPlane } from '../client/control-plane.js';

const WATCH_INTERVAL_MS = 2_000;

interface Options {
  readonly output: OutputFormat;
  readonly selector?: string;
  readonly watch?: boolean;
}

export function registerGet(program: Command): void {
  program
    .command('get')
    .argument('<kind>', 'nodes, groups, policies, alerts, join-tokens or suspensions')
    .argument('[name]', 'one of them')
    .option('-o, --output <format>', 'table, json, yaml or name', outputFormat, 'table')
    .option('-l, --selector <selector>', 'labels, e.g. env=prod,tier in (web,db)')
    .option('-w, --watch', 'print again whenever something changed, until interrupted')
    .description('list objects of a kind')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward get nodes -l env=prod\n  hostward get policies -o name',
    )
    .action(async (word: string, name: string | undefined, options: Options) => {
      const kind = kindOf(word);
      await withControlPlane((controlPlane) =>
        options.watch
          ? watch(controlPlane, kind, options)
          : show(controlPlane, kind, name, options),
      );
    });
}

async function show(
  controlPlane: ControlPlane,
  kind: Kind,
  name: string | undefined,
  options: Options,
): Promise<void> {
  const rows =
    name === undefined
      ? await controlPlane.all<never>(kind.path, { selector: options.selector })
      : [await controlPlane.call<never>(`${kind.path}/${encodeURIComponent(name)}`)];
  printRows(rows, options.output, kind.columns, kind.nameOf);
}

async function watch(controlPlane: ControlPlane, kind: Kind, options: Options): Promise<void> {
  let last = '';
  for (;;) {
    const rows = await controlPlane.all<never>(kind.path, { selector: options.selector });
    const text = JSON.stringify(rows);
    if (text !== last) printRows(rows, options.output, kind.columns, kind.nameOf);
    last = text;
    await new Promise((resolve) => setTimeout(resolve, WATCH_INTERVAL_MS));
  }
}
