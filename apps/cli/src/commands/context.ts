import type { Command } from 'commander';
import { isToken } from '../client/context.js';
import { contextFile, readContexts, writeContexts, type Contexts } from '../client/context-file.js';
import { CommandFailed } from '../output/errors.js';
import { readCa } from '../input/ca-file.js';
import { readAll } from '../input/files.js';
import { httpsOrigin } from '../input/https-origin.js';
import { outputFormat, printRows, type OutputFormat } from '../output/print.js';
import type { Column } from '../output/table.js';

interface Row {
  readonly name: string;
  readonly current: boolean;
  readonly url: string;
  readonly dataDir?: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'CURRENT', of: (row) => (row.current ? '*' : '') },
  { title: 'NAME', of: (row) => row.name, cut: 'middle' },
  { title: 'URL', of: (row) => row.url, cut: 'middle' },
  { title: 'DATA FOLDER', of: (row) => row.dataDir ?? '-', cut: 'middle' },
];

/** `context`: which control planes this user knows, and which one is meant. */
export function registerContext(program: Command): void {
  const context = program
    .command('context')
    .description('the control planes you know, and which one commands go to')
    .addHelpText(
      'after',
      `
Examples:
  hostward context list
  hostward context use hostward
  hostward --context staging get nodes
  hostward context add staging --url https://a.example:7443 --ca ca.pem < token
HOSTWARD_CONTEXT names one for a shell; HOSTWARD_URL, HOSTWARD_TOKEN and
HOSTWARD_CA (a file) override its values. The file of contexts is
~/.config/hostward/config.yaml.`,
    );
  context
    .command('list')
    .option('-o, --output <format>', 'table, json, yaml or name', outputFormat, 'table')
    .description('all of them, without their tokens')
    .action(async ({ output }: { output: OutputFormat }) =>
      printRows(rows(await readContexts()), output, COLUMNS, (row) => row.name),
    );
  context.command('use').argument('<name>').description('make one the current one').action(use);
  context
    .command('add')
    .argument('<name>')
    .requiredOption('--url <url>', 'https://HOST:PORT')
    .option('--ca <file>', 'the CA of the control plane, in PEM')
    .description('add or change one; its token is read from standard input')
    .action(add);
  context
    .command('delete')
    .argument('<name>')
    .description('forget one, with its token')
    .action(forget);
}

function rows({ current, contexts }: Contexts): Row[] {
  return Object.entries(contexts).map(([name, { url, dataDir }]) => ({
    name,
    current: name === current,
    url,
    dataDir,
  }));
}

async function use(name: string): Promise<void> {
  const known = await readContexts();
  const found = must(known, name);
  await writeContexts({ ...known, current: name });
  console.log(`context/${name} is current: ${found.url}`);
}

async function add(name: string, options: { url: string; ca?: string }): Promise<void> {
  const url = httpsOrigin('--url', options.url);
  const ca = options.ca === undefined ? undefined : await readCa(options.ca);
  const token = (await readAll()).trim();
  if (!isToken(token))
    throw new CommandFailed('standard input held no token', 'e.g. `… < token-file`');
  const known = await readContexts();
  const before = known.contexts[name];
  // What is known of one control plane is of no use to another, and its login is not to be sent there.
  const kept = before && URL.parse(before.url)?.origin === url ? before : undefined;
  const changed = { ...kept, url, token, ca: ca ?? kept?.ca };
  const contexts = { ...known.contexts, [name]: changed };
  await writeContexts({ current: known.current ?? name, contexts });
  console.log(`context/${name} is in ${contextFile()}`);
  if (kept?.session !== undefined)
    console.error(`the login as ${kept.session.user} goes before its token until \`logout\``);
}

async function forget(name: string): Promise<void> {
  const known = await readContexts();
  must(known, name);
  const { [name]: _gone, ...contexts } = known.contexts;
  await writeContexts({ current: known.current === name ? undefined : known.current, contexts });
  console.log(`context/${name} deleted`);
}

function must({ contexts }: Contexts, name: string): Contexts['contexts'][string] {
  const found = contexts[name];
  if (found !== undefined) return found;
  throw new CommandFailed(`there is no context "${name}"`, '`hostward context list` shows them');
}
