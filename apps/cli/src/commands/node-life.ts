import type { Command } from 'commander';
import type { JoinTokenView, NodeView } from '#contracts';
import { ProblemAnswer } from '../client/problem-answer.js';
import { CommandFailed } from '../output/errors.js';
import { segment } from '../input/names.js';
import { printable } from '../output/printable.js';
import { rolledBackText } from '../output/rolled-back.js';
import { renderTable, type Column } from '../output/table.js';
import { productVersion } from '../product/product-version.js';
import { suspend } from './breakglass.js';
import { withControlPlane } from '../client/session.js';

interface Leaving {
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

/** Of `node`: what a host's life has after it has joined. */
export function registerNodeLife(node: Command): void {
  node
    .command('offboard')
    .argument('<node>')
    .option('--dry-run', 'only say what would be done')
    .option('--force', 'also while it reports: it keeps enforcing what it has')
    .description('take a host out: its record, certificate, Redis user and streams')
    .addHelpText(
      'after',
      `
Examples:
  ssh root@web1 hostward-agent offboard --purge   # first, on the host
  hostward node offboard web1
  hostward node offboard web1 --force             # the machine is gone
On the host, --keep-enforcing leaves it autonomous: what it enforces stays.`,
    )
    .action(offboard);
  node
    .command('drain')
    .argument('<node>')
    .requiredOption('--for <duration>', 'how long; it ends by itself')
    .requiredOption('--reason <text>', 'why; it is kept in the audit log')
    .description('block nothing on a host while it is worked on')
    .addHelpText(
      'after',
      `
Example:
  hostward node drain web1 --for 2h --reason "new kernel, ticket 4711"
It is \`hostward breakglass --node web1 --mode off\`, ends as that does, and
shows as suspended.`,
    )
    .action((name: string, options: { for: string; reason: string }) =>
      suspend({ node: name, mode: 'off', ...options }),
    );
  node
    .command('rename')
    .argument('<node>')
    .argument('<new-name>')
    .description('give a host another name; identity, labels and policies stay')
    .addHelpText(
      'after',
      `
Example:
  hostward node rename web1 web1-old
Policies that name hosts (kubearmor.io/hostname) go by the new name at once.`,
    )
    .action(async (name: string, to: string) => {
      const view = await call<NodeView>(`/v1/nodes/${segment(name)}/rename`, { to });
      console.log(`node/${name} is node/${view.name}`);
    });
  node
    .command('replace')
    .argument('<node>')
    .description('let a new machine take the name and labels of one that is gone')
    .addHelpText(
      'after',
      `
Example:
  hostward node replace web1
The old machine's identity ends for good. The token that is printed lets one
machine in, within an hour, under this name only.`,
    )
    .action(replace);
  node
    .command('upgrade')
    .argument('[node...]')
    .description('whose agent is of another version, or took an upgrade back')
    .addHelpText('after', '\nExample:\n  hostward node upgrade\n  hostward node upgrade web1 web2')
    .action(upgrade);
}

async function offboard(name: string, { force, dryRun }: Leaving): Promise<void> {
  const path = `/v1/nodes/${segment(name)}`;
  await withControlPlane(async (controlPlane) => {
    const view = await controlPlane.call<NodeView>(path);
    if (view.connected && force !== true)
      throw new CommandFailed(
        `node/${name} still reports, and enforces ${view.policies} policies`,
        'run `hostward-agent offboard` on it as root first; --force takes it out all the same',
      );
    const what =
      view.nodeId === undefined ? 'its record' : `its record and identity ${view.nodeId}`;
    if (dryRun === true) return console.log(`node/${name} would be offboarded: ${what}`);
    // Not one that was changed or enrolled anew since it was looked at.
    const headers = { 'if-match': `"${view.revision}"` };
    await controlPlane.call(path, { method: 'DELETE', headers });
    console.log(`node/${name} offboarded: ${what}`);
    if (view.connected)
      console.log('it keeps enforcing what it has until `hostward-agent offboard` runs on it');
  });
}

/** The token first: what it is refused for must not leave a machine revoked that nobody can take the place of. */
async function replace(name: string): Promise<void> {
  const path = `/v1/nodes/${segment(name)}`;
  await withControlPlane(async (controlPlane) => {
    const { labels } = await controlPlane.call<NodeView>(path);
    const body = { node: name, uses: 1, labels };
    const made = await controlPlane.call<JoinTokenView>('/v1/join-tokens', {
      method: 'POST',
      body,
    });
    try {
      await controlPlane.call(`${path}/replace`, { method: 'POST', body: {} });
    } catch (error) {
      if (error instanceof ProblemAnswer)
        await controlPlane.call(`/v1/join-tokens/${made.id}`, { method: 'DELETE' });
      // Without an answer it may have been done: then this is what lets the next machine in.
      else console.log(made.token);
      throw error;
    }
    const kept = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    console.log(made.token);
    console.error(
      `node/${name} waits for a machine, until ${made.expiresAt}, with the labels ${kept.join(' ') || '(none)'}`,
    );
    console.error(
      `hostward bootstrap lets it in; by hand, on it: hostward-agent enroll --name ${name} --token-file stdin --agent-user hostward`,
    );
  });
}

const COLUMNS: readonly Column<NodeView>[] = [
  { title: 'NODE', of: (view) => view.name, cut: 'middle' },
  { title: 'AGENT', of: (view) => printable(view.version ?? '-') },
  { title: 'CONNECTED', of: (view) => (view.connected ? 'yes' : 'no') },
];

async function upgrade(names: readonly string[]): Promise<void> {
  const version = productVersion();
  const views = await withControlPlane((controlPlane) =>
    names.length === 0
      ? controlPlane.all<NodeView>('/v1/nodes')
      : Promise.all(names.map((name) => controlPlane.call<NodeView>(`/v1/nodes/${segment(name)}`))),
  );
  const others = views.filter((view) => view.version !== undefined && view.version !== version);
  if (others.length === 0) console.log(`every host that has reported runs ${version}`);
  else {
    console.log(renderTable(COLUMNS, others));
    console.log(`this is ${version}; on each, while it goes on enforcing:
  apt-get install ./hostward-agent_${version}_amd64.deb
or, for many at once, hosts of an inventory: ansible-playbook hostward.fleet.upgrade`);
  }
  for (const { name, rolledBack } of views)
    if (rolledBack !== undefined) console.log(`${name}: ${rolledBackText(rolledBack)}`);
}

function call<T>(path: string, body: object): Promise<T> {
  return withControlPlane((controlPlane) => controlPlane.call<T>(path, { method: 'POST', body }));
}
