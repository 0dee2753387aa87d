import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { projectRoot } from '../../e2e/support/product.js';
import type { Identity } from './attacked-host.js';

const AGENT = join(projectRoot, 'dist/apps/agent/src/bundle.js');
const TIMEOUT_MS = 60_000;

/** The agent of a host as a process, with its configuration and state in a folder. */
export class RedirectedHost {
  #agent: ChildProcess | undefined;

  constructor(
    readonly name: string,
    private readonly folder: string,
    private readonly controlPlane: { readonly url: string; readonly caFingerprint: string },
  ) {}

  /** Enrols by the configuration, and gives what the programs beside the agent need. */
  async enrol(token: string, more: object): Promise<Identity> {
    await mkdir(this.folder, { recursive: true });
    await this.configure(more);
    await this.enrolAgain(token);
    const trust = (name: string) => readFile(this.#at('state/trust', name), 'utf8');
    return {
      nodeId: (await trust('node-id')).trim(),
      sealingPrivateKey: (await trust('sealing.key')).trim(),
      root: JSON.parse(await trust('root.json')) as unknown,
    };
  }

  /** What a play does on every run. */
  async enrolAgain(token: string): Promise<string> {
    const args = ['enroll', `--config=${this.configFile}`, `--name=${this.name}`, '--token-file=-'];
    const enrolling = promisify(execFile)(execPath, [AGENT, ...args], { timeout: TIMEOUT_MS });
    enrolling.child.stdin?.end(token);
    return (await enrolling).stdout;
  }

  /** Writes agent.yaml. */
  async configure(more: object): Promise<void> {
    const content = { controlPlane: this.controlPlane, stateDir: this.#at('state'), ...more };
    await writeFile(this.configFile, stringify(content), { mode: 0o600 });
  }

  get configFile(): string {
    return this.#at('agent.yaml');
  }

  start(): void {
    const log = openSync(this.#at('agent.log'), 'a');
    const args = [
      '--disable-warning=ExperimentalWarning',
      AGENT,
      'run',
      `--config=${this.configFile}`,
    ];
    this.#agent = spawn(execPath, args, { stdio: ['ignore', log, log] });
  }

  /** As a power cut would, and on again: an agent that starts asks for redirects at once. */
  async restart(): Promise<void> {
    await this.kill();
    this.start();
  }

  async kill(): Promise<void> {
    const agent = this.#agent;
    if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return;
    agent.kill('SIGKILL');
    await once(agent, 'exit');
  }

  get log(): string {
    return readFileSync(this.#at('agent.log'), 'utf8');
  }

  /** What health.json says of where the host is. */
  async whither(): Promise<{ readonly url: string; readonly by: string } | undefined> {
    const text = await readFile(this.#at('state/agent/health.json'), 'utf8').catch(() => '{}');
    const { controlPlane } = JSON.parse(text) as { controlPlane?: { url: string; by: string } };
    return controlPlane;
  }

  #at(...names: string[]): string {
    return join(this.folder, ...names);
  }
}
