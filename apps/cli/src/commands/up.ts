import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { argv, execPath, kill } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { contextFile } from '../client/context.js';
import {
  removeRunRecord,
  runningUp,
  writeRunRecord,
  type RunRecord,
} from '../embedded/run-record.js';
import { Stack } from '../embedded/stack.js';
import { CommandFailed, UsageError } from '../errors.js';
import { packageRoot } from '../package-root.js';

interface Options {
  readonly detach?: boolean;
  readonly dataDir: string;
  readonly listen: string;
  readonly name: string[];
  readonly localAgent: boolean;
}

const DEFAULT_NAMES = ['localhost', '127.0.0.1', '10.0.2.2'];
const DETACH_WITHIN_MS = 120_000;
const STOP_WITHIN_MS = 60_000;
const POLL_MS = 100;

/** `up` and `down`: the whole product on this machine. */
export function registerUp(program: Command): void {
  program
    .command('up')
    .option('--detach', 'go on in the background')
    .option('--data-dir <dir>', 'where everything is kept', join(packageRoot(), '.hostward'))
    .option('--listen <address>', 'where the control plane listens', '127.0.0.1:7443')
    .option('--name <name...>', 'further names or addresses under which hosts reach it', [])
    .option('--no-local-agent', 'no agent for this machine')
    .description('run the control plane with its own etcd and Redis, and an agent, on this machine')
    .addHelpText('after', '\nExample:\n  ./hostward up --detach && ./hostward get nodes')
    .action(up);
  program
    .command('down')
    .option('--data-dir <dir>', 'the folder given to up', join(packageRoot(), '.hostward'))
    .description('stop what up started')
    .action(down);
}

async function up(options: Options): Promise<void> {
  const dataDir = resolve(options.dataDir);
  const running = await runningUp(dataDir);
  if (running !== undefined) return printRunning(running);
  if (options.detach) return detach(dataDir);
  const { host, port } = listenAddress(options.listen);
  const tell = (message: string): void => console.error(`${new Date().toISOString()} ${message}`);
  const stop = stopSignal();
  const names = [...DEFAULT_NAMES, ...options.name];
  const stack = await Stack.start({
    dataDir,
    host,
    port,
    names,
    localAgent: options.localAgent,
    tell,
  });
  const record = {
    pid: process.pid,
    url: stack.url,
    caFingerprint: stack.material.caFingerprint,
    children: stack.children,
  };
  await writeRunRecord(dataDir, record);
  printStarted(stack, dataDir);
  await stop;
  tell('stopping');
  await stack.stop();
  await removeRunRecord(dataDir);
}

function printStarted(stack: Stack, dataDir: string): void {
  const { adminToken, caFingerprint } = stack.material;
  console.log(`Hostward is up.

  URL             ${stack.url}
  CA fingerprint  ${caFingerprint}
  admin token     ${adminToken ?? '(shown at the first start only)'}
  context         ${contextFile()}
  data and logs   ${dataDir}

Go on with:
  ./hostward get nodes
  ./hostward apply -f examples/no-exec-from-tmp.yaml
  ./hostward demo        # a real block, in a VM
`);
}

function printRunning(record: RunRecord): void {
  const children = Object.entries(record.children).map(([name, pid]) => `${name} ${pid}`);
  console.log(`Hostward is up already (pid ${record.pid}): ${record.url}
  CA fingerprint  ${record.caFingerprint}
  started with    ${children.join(', ')}
\`./hostward down\` stops it.`);
}

async function detach(dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const logFile = join(dataDir, 'up.log');
  const log = await open(logFile, 'w', 0o600);
  const args = [...process.execArgv, ...argv.slice(1).filter((word) => word !== '--detach')];
  const child = spawn(execPath, args, { detached: true, stdio: ['ignore', log.fd, log.fd] });
  let exited = false;
  child.once('exit', () => (exited = true));
  const deadline = Date.now() + DETACH_WITHIN_MS;
  while ((await runningUp(dataDir)) === undefined) {
    if (exited || Date.now() > deadline)
      throw new CommandFailed(`it did not start: see ${logFile}`);
    await delay(POLL_MS);
  }
  child.unref();
  await log.close();
  console.log((await readFile(logFile, 'utf8')).trimEnd());
}

async function down(options: { dataDir: string }): Promise<void> {
  const dataDir = resolve(options.dataDir);
  const running = await runningUp(dataDir);
  if (running === undefined) return console.log('Hostward is not up on this data folder.');
  kill(running.pid, 'SIGTERM');
  const deadline = Date.now() + STOP_WITHIN_MS;
  while ((await runningUp(dataDir)) !== undefined) {
    if (Date.now() > deadline)
      throw new CommandFailed(`pid ${running.pid} did not stop within ${STOP_WITHIN_MS / 1000} s`);
    await delay(POLL_MS);
  }
  console.log('Hostward is down.');
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

function listenAddress(text: string): { host: string; port: number } {
  const [, host, digits] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === undefined || !(port > 0 && port < 65_536)) {
    throw new UsageError(`--listen "${text}" is not ADDRESS:PORT, e.g. 127.0.0.1:7443`);
  }
  return { host, port };
}
