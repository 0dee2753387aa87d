import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Context } from '../../../apps/cli/src/client/context.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { CONCURRENCY, type Bare, type Way } from './bootstrap-ways.js';

const PLAY_MS = 900_000;
const COPY_PLAY = `- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: "true"
    - ansible.builtin.copy:
        src: "{{ hostward_agent_package }}"
        dest: /var/tmp/copied
`;

/** What the play needs beside what the other ways do. */
export interface Controller {
  /** Private key of root on every host. */
  readonly keyFile: string;
  readonly context: Context;
  /** Whoever is to remove what is written. */
  readonly folder: string;
  /** Parts of the play; all of it where none is named. */
  readonly tags?: readonly string[];
}

/** Whether Ansible is on this machine. */
export async function hasAnsible(): Promise<boolean> {
  return promisify(execFile)('ansible-playbook', ['--version']).then(
    () => true,
    () => false,
  );
}

/** The collection's playbook `bootstrap`, from a controller of its own; copies go by a play too. */
export async function byPlay(bare: Bare, controller: Controller): Promise<Way> {
  const folder = await mkdtemp(join(controller.folder, 'ansible-'));
  const collections = join(folder, 'collections', 'ansible_collections', 'hostward');
  await mkdir(collections, { recursive: true });
  await symlink(join(packageRoot(), 'ansible'), join(collections, 'fleet'));
  await writeFile(join(folder, 'ca.pem'), controller.context.ca ?? '');
  await writeFile(join(folder, 'copy.yml'), COPY_PLAY);
  await writeFile(join(folder, 'ansible.cfg'), configuration(folder));
  const inventory = inventoryOf(bare, controller, join(folder, 'ca.pem'));
  await writeFile(join(folder, 'inventory.json'), JSON.stringify(inventory));
  const play = (...args: string[]): Promise<string> =>
    playbook(args, folder, controller, bare.signal);
  const tags = (controller.tags ?? []).map((tag) => `--tags=${tag}`);
  return {
    copy: async () => void (await play('copy.yml')),
    first: async () => void (await play('hostward.fleet.bootstrap', ...tags)),
    again: async () => {
      const said = await play('hostward.fleet.bootstrap', ...tags);
      const unchanged = said.match(/ changed=0 /g)?.length ?? 0;
      if (unchanged !== bare.targets.length) throw new CommandFailed(`a host was changed: ${said}`);
    },
  };
}

async function playbook(
  args: readonly string[],
  folder: string,
  { context }: Controller,
  signal: AbortSignal,
): Promise<string> {
  const env = {
    ...process.env,
    ...{ HOME: folder, HOSTWARD_TOKEN: context.token, ANSIBLE_NOCOLOR: '1' },
  };
  const options = { cwd: folder, env, timeout: PLAY_MS, signal, maxBuffer: 16 * 1024 * 1024 };
  const run = promisify(execFile)('ansible-playbook', args, options);
  const { stdout } = await run.catch((error: Error & { stdout?: string }) => {
    throw new CommandFailed(`the play ${args.join(' ')} failed: ${error.stdout ?? error.message}`);
  });
  return stdout;
}

function inventoryOf(
  { targets, packageFile, client, url, caFingerprint, labels }: Bare,
  { keyFile }: Controller,
  caFile: string,
): object {
  const vars = {
    ansible_python_interpreter: '/usr/bin/python3',
    ansible_ssh_private_key_file: keyFile,
    hostward_url: client.url,
    hostward_ca_fingerprint: caFingerprint,
    hostward_ca_path: caFile,
    hostward_agent_control_plane_url: url,
    hostward_agent_package: packageFile.path,
    hostward_agent_labels: labels,
  };
  const hosts = targets.map(({ name = '', user, host, port }) => [
    name,
    { ansible_host: host, ansible_port: port, ansible_user: user },
  ]);
  return { all: { vars, hosts: Object.fromEntries(hosts) as object } };
}

/** Host keys of VMs are new in each run; everything else is as a user has it. */
function configuration(folder: string): string {
  return `[defaults]
inventory = inventory.json
collections_path = ${folder}/collections
host_key_checking = False
localhost_warning = False
forks = ${CONCURRENCY}
[ssh_connection]
pipelining = True
ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes
`;
}
