import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { HOST_ENFORCERS, type HostEnforcer, type NodeView } from '#contracts';
import { caFingerprintOf } from '../client/ca-fingerprint.js';
import { runBootstrap, type HostReport } from '../bootstrap/bootstrap-run.js';
import { readAccess, type LoginOptions } from '../bootstrap/login-options.js';
import { readPackages } from '../bootstrap/package-file.js';
import { preflightText } from '../bootstrap/preflight.js';
import { RunToken } from '../bootstrap/run-token.js';
import { checkedTargets, parseInventory, parseTarget, type Target } from '../bootstrap/target.js';
import { loadContext } from '../client/context.js';
import { ControlPlane } from '../client/control-plane.js';
import { CommandFailed, UsageError } from '../errors.js';
import { parseDuration } from '../input/duration.js';
import { parseLabels } from '../input/labels.js';
import { oneOf } from '../output/print.js';
import { printable } from '../output/printable.js';
import { renderTable, type Column } from '../output/table.js';
import { packageRoot } from '../package-root.js';
import { chosenContext } from './session.js';
import { hosts } from './wait.js';

interface Options extends LoginOptions {
  readonly inventory?: string;
  readonly labels: Record<string, string>;
  readonly controlPlane?: string;
  readonly enforcer: HostEnforcer;
  readonly package: readonly string[];
  readonly concurrency: number;
  readonly tokenTtl: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const HELP = `
Examples:
  hostward bootstrap root@web1.example root@web2.example --labels env=prod
  hostward bootstrap admin@10.0.0.5 --jump me@bastion --ask-sudo-password
  hostward bootstrap --inventory hosts.txt --dry-run
An inventory has one host a line: user@host:port name=web1
Logs in by ssh-agent, --identity or a password, never by one in a command line.
Run again, it leaves hosts that are enrolled as they are, and goes on with
others where it was. Exit code 0: all are in; 1: some are not.`;

/** May be given several times. */
function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collected).default([], 'none');
}

/** `bootstrap`: machines become hosts over ssh, many at a time. */
export function registerBootstrap(program: Command): void {
  program
    .command('bootstrap')
    .argument('[hosts...]', 'user@host or user@host:port')
    .option('--inventory <file>', 'a file of hosts, one a line')
    .addOption(
      new Option('--labels <labels>', 'labels that the hosts get')
        .argParser(parseLabels)
        .default({}, 'none'),
    )
    .option('--control-plane <url>', 'as the hosts reach it, if not as you do')
    .option('--enforcer <name>', 'auto, apparmor, bpf, observe', enforcerOf, 'auto')
    .addOption(listOption('--package <file>', 'a package; one an architecture'))
    .option('--jump <user@bastion>', 'log in through this host')
    .option('--identity <file>', 'a private key of ssh')
    .option('--ask-password', 'ask for the password')
    .option('--password-file <file>', 'read the password from a file of yours alone')
    .option('--ask-sudo-password', 'ask for the password of sudo')
    .option('--sudo-password-file <file>', 'read it from a file of yours alone')
    .option('--known-hosts <file>', 'instead of ~/.ssh/known_hosts')
    .addOption(listOption('--host-key-fingerprint <sha256>', 'a host key that is right'))
    .option('--concurrency <n>', 'hosts at a time', concurrencyOf, 10)
    .addOption(
      new Option('--token-ttl <duration>', 'how long the join token is valid')
        .argParser(parseDuration)
        .default(3_600_000, '1h'),
    )
    .option('--dry-run', 'look only: what would keep each host out?')
    .option('--json', 'one report in JSON')
    .description('machines become hosts, over ssh')
    .addHelpText('after', HELP)
    .action(bootstrap);
}

async function bootstrap(words: string[], options: Options): Promise<void> {
  const targets = checkedTargets(await targetsOf(words, options.inventory));
  const packages = await readPackages(options.package, join(packageRoot(), 'build', 'packages'));
  const context = await loadContext(chosenContext());
  const access = await readAccess(options);
  const controlPlane = new ControlPlane(context);
  const { labels, tokenTtl: ttlMs, enforcer, dryRun = false } = options;
  const token = new RunToken(controlPlane, { labels, ttlMs, uses: targets.length });
  const settings = {
    ...{ packages, enforcer, dryRun },
    preflight: await preflightText(),
    url: urlOf(options.controlPlane ?? context.url),
    caFingerprint: caFingerprintOf(context),
    nodes: await controlPlane.all<NodeView>('/v1/nodes'),
    token: () => token.get(),
  };
  const { signal, done } = interruption();
  try {
    const { concurrency } = options;
    const reports = await runBootstrap(targets, { access, settings, concurrency, signal, tell });
    printReports(reports, options);
  } finally {
    done();
    await token.end();
    controlPlane.close();
  }
}

async function targetsOf(
  words: readonly string[],
  inventory: string | undefined,
): Promise<Target[]> {
  const named = words.map((word) => parseTarget(word));
  if (inventory === undefined) return named;
  const text = await readFile(inventory, 'utf8').catch((cause: Error) => {
    throw new CommandFailed(`cannot read ${inventory}: ${cause.message}`, undefined, { cause });
  });
  return [...named, ...parseInventory(text, inventory)];
}

/** On standard error, so that the report alone is on standard output. */
function tell(target: Target, words: string): void {
  console.error(`${target.name ?? target.text}: ${printable(words)}`);
}

function printReports(reports: readonly HostReport[], { dryRun = false, json }: Options): void {
  const failed = reports.filter(({ state }) => state === 'failed');
  if (json) console.log(JSON.stringify({ v: 1, dryRun, hosts: reports }, null, 2));
  else {
    console.log(renderTable(COLUMNS, reports));
    for (const { target, code, message, remedy } of failed)
      console.log(`\n${target}: ${code}: ${printable(message ?? '')}\n  remedy: ${remedy}`);
  }
  if (failed.length === 0) return;
  const verb = dryRun ? 'would not come in' : 'did not come in';
  throw new CommandFailed(
    `${failed.length} of ${hosts(reports.length)} ${verb}`,
    'mend what is named and run the same again: what is done stays done',
  );
}

const COLUMNS: readonly Column<HostReport>[] = [
  { title: 'HOST', of: ({ target }) => target },
  { title: 'NODE', of: ({ name }) => name ?? '-' },
  { title: 'STATE', of: ({ state, code }) => (code === undefined ? state : `${state}: ${code}`) },
  { title: 'SECONDS', of: ({ seconds }) => seconds.toFixed(1) },
];

/** Values of an option that may be given several times. */
function collected(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function urlOf(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === 'https:' && url.pathname === '/' && url.username === '') return url.origin;
  throw new UsageError(`--control-plane "${text}" is not https://HOST:PORT`);
}

function enforcerOf(text: string): HostEnforcer {
  return oneOf('--enforcer', ...HOST_ENFORCERS)(text);
}

function concurrencyOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100) return value;
  throw new UsageError(`--concurrency "${text}" is not a whole number from 1 to 100`);
}

/** The first interrupt breaks off what runs; each host is left so that the next run goes on. */
function interruption(): { readonly signal: AbortSignal; readonly done: () => void } {
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const each of signals) process.on(each, interrupt);
  return {
    signal: stop.signal,
    done: () => {
      for (const each of signals) process.off(each, interrupt);
    },
  };
}
