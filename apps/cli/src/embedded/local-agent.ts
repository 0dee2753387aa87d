import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { stringify } from 'yaml';
import type { JoinTokenView } from '#contracts';
import { CommandFailed } from '../output/errors.js';
import type { ControlPlane } from '../client/control-plane.js';
import type { Program } from './supervised.js';

export interface LocalAgent {
  readonly program: string;
  readonly dir: string;
  readonly url: string;
  readonly caFingerprint: string;
  readonly name: string;
}

const ENROLL_TIMEOUT_MS = 60_000;
const TOKEN_TTL_MS = 600_000;

/** Name of this machine as a node: its host name as far as it is a DNS name, which node names are. */
export function localNodeName(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-');
  return name.replace(/^[-.]+|[-.]+$/g, '') || 'localhost';
}

/** Writes the agent's configuration: it observes, since `up` loads nothing into this machine's kernel. */
export async function writeAgentConfig(agent: LocalAgent): Promise<string> {
  await mkdir(agent.dir, { recursive: true, mode: 0o700 });
  const file = join(agent.dir, 'agent.yaml');
  const config = {
    controlPlane: { url: agent.url, caFingerprint: agent.caFingerprint },
    enforcer: 'observe',
    stateDir: join(agent.dir, 'state'),
  };
  await writeFile(file, stringify(config), { mode: 0o600 });
  return file;
}

/** Makes a join token for `uses` agents of this machine; it lives as long as their start takes. */
export async function joinTokenFor(
  controlPlane: Pick<ControlPlane, 'call'>,
  {
    uses = 1,
    labels = {},
    ttlMs = TOKEN_TTL_MS,
  }: {
    readonly uses?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ttlMs?: number;
  } = {},
): Promise<string> {
  const made = await controlPlane.call<JoinTokenView>('/v1/join-tokens', {
    method: 'POST',
    body: { labels, uses, ttlMs },
  });
  return made.token ?? '';
}

/** Enrols with a join token, handed over on standard input. */
export async function enrolAgent(agent: LocalAgent, config: string, token: string): Promise<void> {
  const args = [
    agent.program,
    'enroll',
    `--config=${config}`,
    `--name=${agent.name}`,
    '--token-file=-',
  ];
  await runWithInput(args, `${token}\n`);
}

/** The agent as a supervised program; it serves nobody, so it is ready when it runs. */
export function agentProgram(agent: LocalAgent, config: string, dataDir: string): Program {
  return {
    name: 'agent',
    command: execPath,
    cwd: dataDir,
    args: ['--disable-warning=ExperimentalWarning', agent.program, 'run', `--config=${config}`],
    logFile: join(dataDir, 'agent.log'),
    ready: () => Promise.resolve(),
    readyWithinMs: 1_000,
    stopWithinMs: 10_000,
  };
}

function runWithInput(args: readonly string[], input: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      stdio: ['pipe', 'ignore', 'pipe'],
      timeout: ENROLL_TIMEOUT_MS,
    });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0
        ? resolve()
        : reject(new CommandFailed(`this machine could not join: ${errors.trim()}`)),
    );
    child.stdin.end(input);
  });
}
