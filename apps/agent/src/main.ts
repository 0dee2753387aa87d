import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { Log } from '#observability';
import { ConfigRefused, loadConfig } from './config/agent-config.js';
import { errorMessage } from './config/error-facts.js';
import type { Leaving } from './offboard/offboard.js';
import { VERSION } from './config/version.js';

const USAGE = `Usage:
  agent run --config FILE
  agent enroll --config FILE --token-file FILE|stdin --name NAME [--agent-user USER]
               [--attest ssh-host-key] [--ssh-host-key FILE]
  agent validate --config FILE
  agent preflight [--config FILE] [--url URL] [--json]
  agent offboard [--keep-enforcing | --purge]
  agent import FILE [--config FILE]
  agent simulate < PLAN   (used by hostward sim)
  agent version
`;
const EXIT_USAGE = 2;
const CLOSE_MS = 10_000;

class UsageError extends Error {}

interface Arguments {
  readonly command: string | undefined;
  /** What `import` takes. */
  readonly file: string | undefined;
  readonly config: string;
  readonly tokenFile: string | undefined;
  readonly name: string | undefined;
  readonly agentUser: string | undefined;
  /** Private key by which the host proves which one it is; absent: it proves nothing. */
  readonly sshHostKey: string | undefined;
  readonly url: string | undefined;
  readonly json: boolean;
  /** What `offboard` leaves on the host. */
  readonly leaving: Leaving;
}

// Not left to Node, which goes on for as long as anything is open: a connection that is being made, a server that is silent.
process.exit(await main(process.argv.slice(2)));

async function main(argv: readonly string[]): Promise<number> {
  try {
    return await command(parse(argv));
  } catch (cause) {
    process.stderr.write(`hostward-agent: ${errorMessage(cause)}\n`);
    if (cause instanceof UsageError) process.stderr.write(USAGE);
    return cause instanceof UsageError || cause instanceof ConfigRefused ? EXIT_USAGE : 1;
  }
}

function parse(argv: readonly string[]): Arguments {
  const options = {
    config: { type: 'string', default: '/etc/hostward/agent.yaml' },
    'token-file': { type: 'string' },
    name: { type: 'string' },
    'agent-user': { type: 'string' },
    attest: { type: 'string' },
    'ssh-host-key': { type: 'string' },
    url: { type: 'string' },
    json: { type: 'boolean', default: false },
    'keep-enforcing': { type: 'boolean', default: false },
    purge: { type: 'boolean', default: false },
  } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    const words = positionals[0] === 'import' ? 2 : 1;
    if (positionals.length > words)
      throw new UsageError(`unexpected ${positionals.slice(words).join(' ')}`);
    const [name, tokenFile, agentUser] = [values.name, values['token-file'], values['agent-user']];
    // A unit that names only its configuration means to run.
    const implied = argv.some((argument) => argument.startsWith('--config')) ? 'run' : undefined;
    return {
      command: positionals[0] ?? implied,
      file: positionals[1],
      config: values.config,
      name,
      tokenFile,
      agentUser,
      sshHostKey: attestingKey(values.attest, values['ssh-host-key']),
      url: values.url,
      json: values.json,
      leaving: whatIsLeft(values['keep-enforcing'], values.purge),
    };
  } catch (cause) {
    throw new UsageError(errorMessage(cause));
  }
}

function whatIsLeft(keepEnforcing: boolean, purge: boolean): Leaving {
  if (keepEnforcing && purge)
    throw new UsageError('--keep-enforcing and --purge exclude one another');
  if (keepEnforcing) return 'keep-enforcing';
  return purge ? 'purge' : undefined;
}

function attestingKey(attest: string | undefined, file: string | undefined): string | undefined {
  if (attest === undefined && file === undefined) return undefined;
  if (attest !== undefined && attest !== 'ssh-host-key')
    throw new UsageError(`there is no proof "${attest}": use --attest ssh-host-key`);
  return file ?? '/etc/ssh/ssh_host_ed25519_key';
}

async function command(given: Arguments): Promise<number> {
  switch (given.command) {
    case 'run':
      return run(given);
    case 'enroll':
      return enrollHost(given);
    case 'validate':
      loadConfig(given.config);
      process.stdout.write(`${given.config} is valid\n`);
      return 0;
    case 'preflight':
      return (await import('./preflight/preflight.js')).preflight(given);
    case 'offboard':
      return (await import('./offboard/offboard.js')).offboard(given.leaving);
    case 'import':
      return importFile(given);
    case 'simulate':
      return simulateHosts();
    case 'version':
      process.stdout.write(`${VERSION}\n`);
      return 0;
    case undefined:
      throw new UsageError('a command is missing');
    default:
      throw new UsageError(`no command ${given.command}`);
  }
}

/** Only what the command needs is loaded: enrolment's X.509 library costs memory that a running agent has no use for. */
async function enrollHost(given: Arguments): Promise<number> {
  const { config, tokenFile, name, agentUser, sshHostKey } = given;
  if (tokenFile === undefined || name === undefined)
    throw new UsageError('enroll needs --token-file and --name');
  const { enroll } = await import('./enrollment/enroll.js');
  const { readJoinToken } = await import('./enrollment/join-token.js');
  const { ownerNamed } = await import('./enrollment/owner.js');
  const owner = agentUser === undefined ? undefined : await ownerNamed(agentUser);
  const checked = loadConfig(config);
  const result = await enroll({
    config: checked,
    token: await readJoinToken(tokenFile),
    name,
    owner,
    sshHostKey,
  });
  process.stdout.write(
    `${result.already ? 'already enrolled' : 'enrolled'} as ${result.name}, node id ${result.nodeId}\n`,
  );
  return 0;
}

async function importFile({ file, config }: Arguments): Promise<number> {
  if (file === undefined) throw new UsageError('import needs a file of `hostward bundle export`');
  const { importBundle } = await import('./import/import-bundle.js');
  process.stdout.write(`${await importBundle(file, config)}\n`);
  return 0;
}

/** Runs simulated hosts for `hostward sim`, which gives the plan on standard input. */
async function simulateHosts(): Promise<number> {
  const { simulate } = await import('./simulation/simulation.js');
  await simulate(process.stdin, (line) => process.stdout.write(`${line}\n`));
  return 0;
}

async function run({ config: file }: Arguments): Promise<number> {
  const config = loadConfig(file);
  const { Agent } = await import('./runtime/agent.js');
  const { enrolledHost } = await import('./enrollment/enrolled-host.js');
  const { SystemClock } = await import('./health/clock.js');
  const { Context } = await import('./health/context.js');
  const log = new Log({ fields: { program: 'hostward-agent' } });
  dieOnSurprise(log);
  const around = new Context(new SystemClock(), log);
  const stopped = stopSignal();
  for (;;) {
    const host = await enrolledHost(config);
    const agent = await Agent.start({ config, host, around });
    const { name: node, trust, controlPlane, place } = host;
    log.info('agent runs', {
      node,
      nodeId: trust.nodeId,
      controlPlane,
      by: place ? 'redirect' : file,
      enforcer: config.enforcer,
      version: VERSION,
      pid: process.pid,
    });
    const reason = await Promise.race([stopped, agent.moved, agent.restartNeeded]);
    log.info('agent stops', { reason });
    await closeWithin(agent.stop(), log);
    // After `restart-needed` systemd starts a new process: Restart=always.
    if (reason !== 'moved') return 0;
  }
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => resolve(signal));
  });
}

/** A part that does not close must not hold up a shutdown: what counts was on disk before. */
async function closeWithin(closing: Promise<void>, log: Log): Promise<void> {
  const timer = setTimeout(() => {
    log.warn('agent did not close in time', { afterMs: CLOSE_MS });
    process.exit(1);
  }, CLOSE_MS);
  await closing;
  clearTimeout(timer);
}

/** A state that nobody foresaw is not gone on with; systemd starts the agent again, and enforcement does not depend on it. */
function dieOnSurprise(log: Log): void {
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (cause: unknown) => {
      log.error('agent ends by a surprise', { event, cause });
      process.exit(1);
    });
  }
}
