import { join, resolve } from 'node:path';
import { kill } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { contextFile } from '../client/context-file.js';
import { announce, startDetached } from '../embedded/detach.js';
import { endLeftovers } from '../embedded/leftovers.js';
import { listenAddress, preflight } from '../embedded/preflight.js';
import {
  birthOf,
  isUp,
  lastRecord,
  liveUp,
  removeRunRecord,
  writeRunRecord,
  type RunRecord,
} from '../embedded/run-record.js';
import { Stack, urlOf, type StackOptions } from '../embedded/stack.js';
import { CommandFailed, messageOf, UsageError } from '../output/errors.js';
import { pathOf } from '../input/path.js';
import { defaultDataDir, packageRoot } from '../product/package-root.js';

interface Options {
  readonly detach?: boolean;
  readonly dataDir: string;
  readonly listen: string;
  readonly name: string[];
  readonly localAgent: boolean;
  readonly resetAdminToken?: boolean;
  readonly rotateChannelKeyKey?: boolean;
  readonly passphraseFile?: string;
  readonly packages: string;
  readonly caCert?: string;
  readonly caKey?: string;
}

const DEFAULT_DATA_DIR = defaultDataDir();
const DEFAULT_PACKAGES = join(packageRoot(), 'build', 'packages');
const DEFAULT_NAMES = ['localhost', '127.0.0.1', '10.0.2.2'];
const STOP_WITHIN_MS = 90_000;
const POLL_MS = 100;
const OVERRIDES = ['HOSTWARD_CONTEXT', 'HOSTWARD_URL', 'HOSTWARD_TOKEN', 'HOSTWARD_CA'] as const;

/** `up` and `down`: the whole product on this machine. */
export function registerUp(program: Command): void {
  program
    .command('up')
    .option('--detach', 'go on in the background')
    .option('--data-dir <dir>', 'where everything is kept', pathOf('--data-dir'), DEFAULT_DATA_DIR)
    .option('--listen <address>', 'where the control plane listens', '127.0.0.1:7443')
    .option('--name <name...>', 'further names or addresses under which hosts reach it', [])
    .option('--no-local-agent', 'no agent for this machine')
    .option('--reset-admin-token', 'make a new admin token; the old one ends')
    .option('--rotate-channel-key-key', 'wrap channel keys in etcd under a new key')
    .option(
      '--passphrase-file <file>',
      'the keys are, or in a new folder become, encrypted under it',
    )
    .option(
      '--packages <dir>',
      'packages that hosts may fetch, as `package` makes them',
      DEFAULT_PACKAGES,
    )
    .option('--ca-cert <file>', 'at the first start: your own root CA, in PEM')
    .option('--ca-key <file>', 'its private key, in PEM, readable by you alone')
    .description('run the control plane with its own etcd and Redis, and an agent, on this machine')
    .addHelpText(
      'after',
      `
Examples:
  hostward up --detach && hostward get nodes
  hostward up --listen 0.0.0.0:7443 --name hostward.example --data-dir /srv/hw
  hostward up --ca-cert root.pem --ca-key root.key
The agent of this machine only observes: nothing is loaded into its kernel. The
context is named after the data folder; \`hostward context list\` shows all.`,
    )
    .action(up);
  program
    .command('down')
    .option('--data-dir <dir>', 'the folder given to up', pathOf('--data-dir'), DEFAULT_DATA_DIR)
    .description('stop what up started; everything is kept for the next up')
    .addHelpText('after', '\nExample:\n  hostward down')
    .action(down);
}

async function up(options: Options): Promise<void> {
  const dataDir = resolve(options.dataDir);
  const address = listenAddress(options.listen);
  const running = liveUp(dataDir);
  if (ownCa(options) && running !== undefined)
    throw new CommandFailed(
      'a CA cannot be given while it is up',
      'to replace the one in use: `hostward ca begin --cert FILE --key FILE`',
    );
  if (running !== undefined && options.resetAdminToken)
    throw new CommandFailed('the admin token cannot be reset while it is up', 'run `down` first');
  if (running !== undefined && options.rotateChannelKeyKey)
    throw new CommandFailed('the key cannot be rotated while it is up', 'run `down` first');
  if (running !== undefined) return printRunning(running);
  const last = lastRecord(dataDir);
  if (last !== undefined) await cleanUp(dataDir, last);
  await preflight(dataDir, address);
  if (options.detach) return console.log(await startDetached(dataDir));
  await serve({ ...options, ...address, dataDir });
}

/** Runs in the foreground until a signal; the record in the data folder says so from the first moment to the last. */
async function serve(options: Options & { host: string; port: number }): Promise<void> {
  const { dataDir } = options;
  const stop = stopSignal();
  const record = new Recorder(dataDir, urlOf(options));
  record.write();
  try {
    const stack = await Stack.start({
      ...stackOptions(options),
      signal: stop,
      onLaunch: record.of,
    });
    record.ready(stack);
    announce(summaryOf(stack, dataDir));
    await aborted(stop);
    tell('stopping');
    await stack.stop();
  } catch (error) {
    if (!stop.aborted) throw error;
    tell('stopped while it was starting');
  } finally {
    removeRunRecord(dataDir);
  }
  tell('down');
}

function stackOptions(
  options: Options & { host: string; port: number },
): Omit<StackOptions, 'signal' | 'onLaunch'> {
  const { dataDir, host, port, localAgent, resetAdminToken, rotateChannelKeyKey } = options;
  const names = [...DEFAULT_NAMES, ...options.name];
  const passphraseFile =
    options.passphraseFile === undefined ? undefined : resolve(options.passphraseFile);
  const packagesDir = resolve(options.packages);
  const once = { resetAdminToken, rotateChannelKeyKey, ca: ownCa(options) };
  return { dataDir, host, port, localAgent, ...once, passphraseFile, packagesDir, tell, names };
}

/** Both or neither; they are read at the first start, and may go from this machine then. */
function ownCa({ caCert, caKey }: Options): StackOptions['ca'] {
  if (caCert === undefined && caKey === undefined) return undefined;
  if (caCert === undefined || caKey === undefined)
    throw new UsageError('--ca-cert and --ca-key belong together: give both, or neither');
  return { cert: resolve(caCert), key: resolve(caKey) };
}

function tell(message: string): void {
  console.error(`${new Date().toISOString()} ${message}`);
}

/** Keeps the record of this `up` true. */
class Recorder {
  #record: RunRecord;

  constructor(
    private readonly dataDir: string,
    url: string,
  ) {
    const { pid } = process;
    const start = { caFingerprint: '', ready: false, children: {} };
    this.#record = { pid, ...birthOf(pid), url, ...start };
  }

  readonly of = (stack: Stack): void => {
    const { caFingerprint } = stack.material;
    this.#record = { ...this.#record, caFingerprint, children: stack.children };
    this.write();
  };

  ready(stack: Stack): void {
    this.#record = { ...this.#record, ready: true };
    this.of(stack);
  }

  write(): void {
    try {
      writeRunRecord(this.dataDir, this.#record);
    } catch (error) {
      // A full disk must not end what runs.
      tell(`up.json cannot be written: ${messageOf(error)}`);
    }
  }
}

function summaryOf(stack: Stack, dataDir: string): string {
  const { adminToken, caFingerprint } = stack.material;
  const { name, before } = stack.context;
  const context =
    name === undefined
      ? '(none: its token is not known here; set HOSTWARD_TOKEN)'
      : `${name}, current, in ${contextFile()}`;
  const lines = [
    'Hostward is up.',
    '',
    `  URL             ${stack.url}`,
    `  CA fingerprint  ${caFingerprint}`,
    `  admin token     ${adminToken ?? '(shown at the first start only)'}`,
    `  context         ${context}`,
    `  data and logs   ${dataDir}`,
    '',
    ...stack.notReady.map((what) => `NOT READY: ${what}`),
    ...notes(before),
    'Go on with:',
    '  ./hostward get nodes',
    '  ./hostward apply -f examples/no-exec-from-tmp.yaml',
    '  ./hostward demo        # a real block, in a VM',
    '  ./hostward down',
  ];
  return lines.join('\n');
}

function notes(before: string | undefined): string[] {
  const set = OVERRIDES.filter((name) => (process.env[name] ?? '') !== '');
  const back =
    before === undefined
      ? []
      : [`The current context was ${before}: \`./hostward context use ${before}\` goes back.`, ''];
  return set.length === 0
    ? back
    : [...back, `Note: ${set.join(', ')} in your environment lead commands elsewhere.`, ''];
}

function printRunning(record: RunRecord): void {
  const children = Object.entries(record.children).map(([name, pid]) => `${name} ${pid}`);
  const state = record.ready ? 'is up already' : 'is starting or stopping';
  console.log(`Hostward ${state} (pid ${record.pid}): ${record.url}
  CA fingerprint  ${record.caFingerprint || '-'}
  started with    ${children.join(', ') || '-'}
\`./hostward down\` stops it.`);
}

async function cleanUp(dataDir: string, last: RunRecord): Promise<string[]> {
  const ended = await endLeftovers(dataDir, last);
  if (ended.length > 0)
    console.error(`the last up had been killed; ended what it left: ${ended.join(', ')}`);
  removeRunRecord(dataDir);
  return ended;
}

async function down(options: { dataDir: string }): Promise<void> {
  const dataDir = resolve(options.dataDir);
  const running = liveUp(dataDir);
  if (running !== undefined) {
    kill(running.pid, 'SIGTERM');
    await gone(dataDir, running);
  }
  const last = lastRecord(dataDir);
  const left = last === undefined ? [] : await cleanUp(dataDir, last);
  if (running === undefined && left.length === 0)
    return console.log(`Hostward is not up on ${dataDir}.`);
  console.log('Hostward is down.');
}

async function gone(dataDir: string, running: RunRecord): Promise<void> {
  const { pid } = running;
  const deadline = Date.now() + STOP_WITHIN_MS;
  while (isUp(running)) {
    if (Date.now() > deadline)
      throw new CommandFailed(
        `pid ${pid} did not stop within ${STOP_WITHIN_MS / 1000} s`,
        `see ${join(dataDir, 'up.log')}; after \`kill -9 ${pid}\` run down again`,
      );
    await delay(POLL_MS);
  }
}

/** Aborts at the first signal; further ones change nothing, since what runs is stopped in order already. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => stop.abort());
  return stop.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
