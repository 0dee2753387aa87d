import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Page } from '#contracts';
import { isPassing, type ControlPlane } from '../client/control-plane.js';
import { UsageError } from '../errors.js';
import { segment } from '../input/names.js';
import { outputFormat, printObject, printRows, type OutputFormat } from '../output/print.js';
import { renderTable } from '../output/table.js';
import { KINDS, kindOf, type Kind } from './kinds.js';
import { withControlPlane } from './session.js';

const WATCH_INTERVAL_MS = 2_000;
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
    .argument('[name]', 'one of them')
    .option('-o, --output <format>', 'table, json, yaml or name', outputFormat, 'table')
    .option('-l, --selector <selector>', 'labels, e.g. "env=prod,tier in (web,db)"')
    .option('-w, --watch', 'then print what changes, until interrupted')
    .description('list objects of a kind, or show one')
    .addHelpText(
      'after',
      `
Examples:
  hostward get nodes -l env=prod
  hostward get policies -o name
  hostward get policy block-sleep -o yaml
  hostward get nodes --watch
-o json prints an array, and with a name one object.`,
    )
    .action(async (word: string, name: string | undefined, options: Options) => {
      const kind = kindOf(word);
      if (options.selector !== undefined && !kind.labelled)
        throw new UsageError(`${kind.plural} are not chosen by labels: leave -l out`);
      const read = (controlPlane: ControlPlane): Promise<never[]> =>
        rowsOf(controlPlane, kind, name, options.selector);
      await withControlPlane(async (controlPlane) => {
        if (options.watch) return watch(() => read(controlPlane), kind, options.output);
        const rows = await read(controlPlane);
        if (name === undefined || !isObjectFormat(options.output))
          return printRows(rows, options.output, kind.columns, kind.nameOf);
        printObject(rows[0], options.output);
      });
    });
}

async function rowsOf(
  controlPlane: ControlPlane,
  kind: Kind,
  name: string | undefined,
  selector: string | undefined,
): Promise<never[]> {
  if (name !== undefined) return [await controlPlane.call<never>(`${kind.path}/${segment(name)}`)];
  if (kind.plural !== 'alerts') return controlPlane.all<never>(kind.path, { selector });
  const query = { limit: ALERTS_SHOWN };
  const page = await controlPlane.call<Page<never>>(kind.path, { query });
  if (page.next !== undefined)
    console.error(
      `the newest ${ALERTS_SHOWN}; \`hostward logs --limit N --since 1h\` shows others`,
    );
  return [...page.items];
}

/** Prints everything once, then each object that changed in something but its age; survives lost connections. */
async function watch(
  read: () => Promise<never[]>,
  kind: Kind,
  output: OutputFormat,
): Promise<void> {
  let known: Map<string, string> | undefined;
  for (;;) {
    const rows = await read().catch(retried);
    if (rows !== undefined) {
      const now = new Map(rows.map((row) => [kind.nameOf(row), fingerprint(kind, row)]));
      if (known === undefined) printRows(rows, output, kind.columns, kind.nameOf);
      else printChanges(rows, now, known, kind, output);
      known = now;
    }
    await delay(WATCH_INTERVAL_MS);
  }
}

function printChanges(
  rows: readonly never[],
  now: ReadonlyMap<string, string>,
  known: ReadonlyMap<string, string>,
  kind: Kind,
  output: OutputFormat,
): void {
  const changed = rows.filter((row) => {
    const name = kind.nameOf(row);
    return known.get(name) !== now.get(name);
  });
  if (isObjectFormat(output)) changed.forEach((row) => printObject(row, output));
  else if (output === 'name') changed.forEach((row) => console.log(kind.nameOf(row)));
  else if (changed.length > 0) console.log(renderTable(kind.columns, changed, { header: false }));
  for (const name of known.keys())
    if (!now.has(name)) console.error(`${kind.singular}/${name} is gone`);
}

/** What a person would see of a row, without what changes by itself. */
function fingerprint(kind: Kind, row: never): string {
  const cells = kind.columns.filter((column) => !column.ticks).map((column) => column.of(row));
  return JSON.stringify([cells, revisionOf(row)]);
}

function revisionOf(row: object): unknown {
  return 'revision' in row ? row.revision : undefined;
}

function retried(error: unknown): undefined {
  if (!isPassing(error)) throw error;
  console.error(`${error instanceof Error ? error.message : String(error)}; trying again`);
}

function isObjectFormat(output: OutputFormat): output is 'json' | 'yaml' {
  return output === 'json' || output === 'yaml';
}
