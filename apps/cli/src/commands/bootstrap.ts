import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { HOST_ENFORCERS, type HostEnforcer, type NodeView } from '#contracts';
import { caFingerprintOf } from '../client/ca-fingerprint.js';
import { runBootstrap, type HostReport } from '../bootstrap/bootstrap-run.js';
import { readAccess } from '../bootstrap/login-options.js';
import { readPackages } from '../bootstrap/package-file.js';
import { preflightText } from '../bootstrap/preflight.js';
import { RunToken } from '../bootstrap/run-token.js';
import { loadContext } from '../client/context.js';
import { ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../output/errors.js';
import { durationOption } from '../input/duration-option.js';
import { parseLabels } from '../input/labels.js';
import { oneOf } from '../output/print.js';
import { hostsOrigin } from '../input/hosts-origin.js';
import { printable } from '../output/printable.js';
import { renderTable, type Column } from '../output/table.js';
import { packageRoot } from '../product/package-root.js';
import {
  addLoginFlags,
  interruption,
  listOption,
  machinesOf,
  targetsOf,
  tell,
  type LoginFlags,
} from './login-flags.js';
import { chosenContext } from '../client/session.js';
import { hosts } from '../output/counted.js';

interface Options extends LoginFlags {
  readonly labels: Record<string, string>;
  readonly controlPlane?: string;
  readonly enforcer?: HostEnforcer;
  readonly package: readonly string[];
  readonly tokenTtl: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const HELP = `
Examples:
  hostward bootstrap root@web1.example root@web2.example --labels env=prod
  hostward bootstrap root@web1 --control-plane https://cp.example:7443
  hostward bootstrap admin@10.0.0.5 --jump me@bastion --ask-sudo-password
  hostward bootstrap --inventory hosts.txt --dry-run
An inventory has one host a line: user@host:port name=web1
Logs in by ssh-agent, --identity or a password, never by one in a command line.
Run again, it leaves hosts that are enrolled as they are, and goes on with
others where it was. Exit code 0: all are in; 1: some are not.`;

/** `bootstrap`: machines become hosts over ssh, many at a time. */
export function registerBootstrap(program: Command): void {
  const command = program
    .command('bootstrap')
    .argument('[hosts...]', 'user@host or user@host:port')
    .addOption(
      new Option('--labels <labels>', 'labels that the hosts get')
        .argParser(parseLabels)
        .default({}, 'none'),
    )
    .option('--ask-sudo-password', 'ask for the password of sudo')
    .option('--sudo-password-file <file>', 'read it from a file of yours alone')
    .option('--control-plane <url>', 'as the hosts reach it, if not as you do')
    .option('--enforcer <name>', 'auto (default), apparmor, bpf, observe', enforcerOf)
    .addOption(listOption('--package <file>', 'a package; one an architecture'))
    .addOption(durationOption('--token-ttl <duration>', 'how long the join token is valid', '1h'))
    .option('--dry-run', 'look only: what would keep each host out?')
    .option('--json', 'one report in JSON')
    .description('machines become hosts, over ssh')
    .addHelpText('after', HELP)
    .action(bootstrap);
  addLoginFlags(command);
}

async function bootstrap(words: string[], options: Options): Promise<void> {
  const targets = await targetsOf(words, options);
  const packages = await readPackages(options.package, join(packageRoot(), 'build', 'packages'));
  const context = await loadContext(chosenContext());
  const url = hostsOrigin({
    given: options.controlPlane,
    known: context.url,
    machines: machinesOf(targets, options),
  });
  const access = await readAccess(options);
  const controlPlane = new ControlPlane(context);
  const { labels, tokenTtl: ttlMs, enforcer, dryRun = false } = options;
  const token = new RunToken(controlPlane, { labels, ttlMs, uses: targets.length });
  const settings = {
    ...{ packages, enforcer, dryRun, url },
    preflight: await preflightText(),
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

function enforcerOf(text: string): HostEnforcer {
  return oneOf('--enforcer', ...HOST_ENFORCERS)(text);
}
