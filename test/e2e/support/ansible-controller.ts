import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Vm } from '#testing';
import { cleanEnvironment, projectRoot, type Product } from './product.js';

/** A play on three emulated machines takes a third of it. */
const TIMEOUT_MS = 2_400_000;

export interface Ended {
  readonly code: number;
  /** Both streams, as a person sees them. */
  readonly output: string;
}

/** Counts of a host in PLAY RECAP, e.g. `changed`, `unreachable`, `failed`. */
export type Recap = Readonly<Record<string, number>>;

/** Whoever has the inventory: a folder with ansible.cfg, inventory and the collection, installed from its artefact. */
export class AnsibleController {
  private constructor(
    private readonly product: Product | undefined,
    readonly folder: string,
    readonly caFile: string,
  ) {}

  /** Without a product where plays make one. */
  static async of(product?: Product): Promise<AnsibleController> {
    const folder = await mkdtemp(join(tmpdir(), 'hostward-ansible-'));
    const controller = new AnsibleController(product, folder, join(folder, 'ca.pem'));
    await writeFile(join(folder, 'ansible.cfg'), configuration(folder));
    if (product) await writeFile(controller.caFile, (await product.context()).ca);
    return controller;
  }

  /** Builds the collection and installs it from the file. */
  async installCollection(): Promise<void> {
    const source = join(projectRoot, 'ansible');
    await this.must('ansible-galaxy', [
      'collection',
      'build',
      source,
      '--output-path',
      this.folder,
    ]);
    const artefact = join(this.folder, 'hostward-fleet-0.1.0.tar.gz');
    const to = ['--collections-path', join(this.folder, 'collections')];
    await this.must('ansible-galaxy', ['collection', 'install', artefact, '--offline', ...to]);
  }

  /** Writes the inventory: VMs by the ports of their ssh, with variables of their own. */
  async inventory(
    hosts: readonly { readonly vm: Vm; readonly variables?: object }[],
    shared: object,
  ): Promise<void> {
    const all = {
      ansible_host: '127.0.0.1',
      ansible_user: 'root',
      ansible_python_interpreter: '/usr/bin/python3',
      ...(this.product && (await this.variablesOf(this.product))),
      ...shared,
    };
    const entries = hosts.map(({ vm, variables }) => [vm.name, { ...reachOf(vm), ...variables }]);
    const inventory = { all: { vars: all, hosts: Object.fromEntries(entries) as object } };
    await writeFile(join(this.folder, 'inventory.json'), JSON.stringify(inventory, null, 2));
  }

  private async variablesOf(product: Product): Promise<object> {
    const { url, caFingerprint } = await product.record();
    return {
      hostward_url: url,
      hostward_ca_fingerprint: caFingerprint,
      hostward_ca_path: this.caFile,
      hostward_agent_control_plane_url: `https://10.0.2.2:${product.port}`,
    };
  }

  /** Runs a playbook of the collection, or a file; `seen` is called with all output so far whenever there is more. */
  play(
    playbook: string,
    args: readonly string[] = [],
    seen?: (output: string) => void,
  ): Promise<Ended> {
    return this.run('ansible-playbook', [playbook, ...args], {}, seen);
  }

  /** Runs a program in the controller's folder with the token in its environment. */
  async run(
    program: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    seen?: (output: string) => void,
  ): Promise<Ended> {
    const token = this.product && { HOSTWARD_TOKEN: (await this.product.context()).token };
    const own = { HOME: this.folder, ANSIBLE_NOCOLOR: '1', ...token };
    const env = { ...cleanEnvironment(), ...own, ...environment };
    const child = spawn(program, args, { cwd: this.folder, env, timeout: TIMEOUT_MS });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        seen?.(output);
      });
    }
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code: code ?? 128, output }));
    });
  }

  /** As `run`, and throws what was said unless it ended with 0. */
  async must(program: string, args: readonly string[]): Promise<Ended> {
    const ended = await this.run(program, args);
    if (ended.code === 0) return ended;
    throw new Error(`${program} ${args.join(' ')} ended with ${ended.code}\n${ended.output}`);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** Why a play failed, tasks that did first and then all that it said; empty where it ended with 0. */
export function failureOf({ code, output }: Ended): string {
  if (code === 0) return '';
  const tasks = output.split(/^(?=TASK \[|RUNNING HANDLER \[|PLAY RECAP)/m);
  const failed = tasks.filter((task) => /^(fatal|failed): /m.test(task));
  return ['', ...failed, `ended with ${code}:`, output].join('\n');
}

/** The counts of each host. */
export function recapOf({ output }: Ended): Readonly<Record<string, Recap>> {
  const lines = output.slice(output.lastIndexOf('PLAY RECAP')).matchAll(/^(\S+)\s+: (ok=.*)$/gm);
  return Object.fromEntries(
    [...lines].map(([, host = '', counts = '']) => [host, countsOf(counts)] as const),
  );
}

function countsOf(text: string): Recap {
  const counts = text.matchAll(/(\w+)=(\d+)/g);
  return Object.fromEntries([...counts].map(([, name = '', count]) => [name, Number(count)]));
}

function reachOf(vm: Vm): object {
  return { ansible_port: vm.reach.port, ansible_ssh_private_key_file: vm.reach.keyFile };
}

/** Channel keys of VMs are new in each run; everything else is as a user has it. */
function configuration(folder: string): string {
  return `[defaults]
inventory = inventory.json
collections_path = ${folder}/collections
host_key_checking = False
localhost_warning = False
[ssh_connection]
pipelining = True
ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes
`;
}
