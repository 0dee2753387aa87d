import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Log, describeError } from '#observability';
import { PostgresError } from '#postgresql';
import { backup } from './commands/backup/backup.js';
import { BackupError } from './commands/backup/backup-error.js';
import { restore } from './commands/backup/restore.js';
import { ConfigError } from './config/index.js';
import { loadMaterial } from './config/material.js';
import { readConfig } from './config/read-config.js';
import { init } from './commands/init/init.js';
import { parseInitOptions } from './commands/init/options.js';
import { renew } from './commands/init/renew.js';
import { passphrase } from './commands/init/passphrase.js';
import { requestKeys, shareKeys, takeKeys } from './commands/init/replica-keys.js';
import { deferRedisAccept } from './server/defer-accept.js';
import { followRedis } from './server/follow-redis.js';
import { markWhenGrown } from './server/marking.js';
import { moveStore } from './server/move-store.js';
import { serve, type Serving } from './server/serve.js';
import { openSecret } from './config/open-secret.js';

const USAGE = `usage:
  control-plane init --data-dir D [--listen HOST:PORT] [--names a,b] [--etcd URL] [--redis HOST:PORT] [--redis-events HOST:PORT] [--passphrase-file F]
                     [--ca-cert F --ca-key F] [--admin-token-file F] [--reset-admin-token] [--redis-replicas] [--agent-redis-host HOST]
                     [--leaf-hours N] [--packages D] [--rotate-channel-key-key]
      makes keys, certificates and the configuration where they are missing; answers one JSON object
  control-plane request-keys --data-dir D, on a further machine, then there take-keys --data-dir D < ANSWER, of
                share-keys --data-dir D --to REQUEST, on the first
      gives a further control plane the keys that all have, but not the root key, sealed to it alone
  control-plane follow-redis --config FILE --at HOST
      has the Redis there follow those of the configuration, once, before Sentinels start; answers one JSON object
  control-plane passphrase --data-dir D [--passphrase-file OLD] [--new-passphrase-file NEW | --remove]
      encrypts the control plane's keys, changes their passphrase, or takes it away; answers one JSON object
  control-plane open-secret --file FILE [--passphrase-file F | --passphrase-stdin]
      answers the secret in a sealed file, to a program of its owner's that signs with it
  control-plane backup --config FILE --out FILE [--passphrase-file F]
      puts etcd at one revision, the stores and the keys into one file while all serves; answers one JSON object
  control-plane restore FILE --data-dir D --etcd-dir E [--etcd-member NAME=PEER-URL]... [--passphrase-file F] [--redis-ports F]
      puts a backup into empty folders, one in E for each member of etcd; answers one JSON object
  control-plane move-store --config FILE
      copies audit log and alerts from the files of a control plane that is stopped into its PostgreSQL; answers one JSON object
  control-plane renew --config FILE
      makes certificates that init made anew where half of their life is over; answers one JSON object
  control-plane check --config FILE
      ends with 0 where a start or reload would take this configuration, and says what is wrong where not
  control-plane defer-accept --pid PID
      has connections to this Redis reach it with their first bytes; 1 where the kernel does not allow it
  control-plane serve --config FILE
      SIGHUP has it take certificates, logLevel and oidc in anew
A passphrase that no file is named for is systemd's credential hostward-passphrase, where there is one.
Each key of the configuration may come from the environment instead: HOSTWARD_CONTROL_PLANE__LISTEN__PORT is listen.port
`;
const SHUTDOWN_MS = 15_000;

async function main(args: readonly string[]): Promise<number> {
  const [mode, ...rest] = args;
  if (args.some((each) => each === '--help' || each === '-h')) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (mode === 'init') {
    process.stdout.write(`${JSON.stringify(await init(parseInitOptions(rest)))}\n`);
    return 0;
  }
  if (mode === 'request-keys') {
    process.stdout.write(`${requestKeys(rest)}\n`);
    return 0;
  }
  if (mode === 'share-keys') {
    process.stdout.write(`${await shareKeys(rest)}\n`);
    return 0;
  }
  if (mode === 'take-keys') {
    await takeKeys(rest, readFileSync(0, 'utf8'));
    return 0;
  }
  if (mode === 'follow-redis') {
    process.stdout.write(`${JSON.stringify(await followRedis(rest))}\n`);
    return 0;
  }
  if (mode === 'passphrase') {
    process.stdout.write(`${JSON.stringify(passphrase(rest))}\n`);
    return 0;
  }
  if (mode === 'open-secret') {
    process.stdout.write(openSecret(rest, () => readFileSync(0, 'utf8')));
    return 0;
  }
  if (mode === 'backup') {
    process.stdout.write(`${JSON.stringify(await backup(rest))}\n`);
    return 0;
  }
  if (mode === 'restore') {
    process.stdout.write(`${JSON.stringify(await restore(rest))}\n`);
    return 0;
  }
  if (mode === 'move-store') {
    process.stdout.write(`${JSON.stringify(await moveStore(rest))}\n`);
    return 0;
  }
  if (mode === 'renew') {
    process.stdout.write(`${JSON.stringify(await renew(rest))}\n`);
    return 0;
  }
  if (mode === 'check') {
    readConfig(configFile(rest));
    return 0;
  }
  if (mode === 'defer-accept') {
    const { isDeferred, line } = await deferRedisAccept(rest);
    (isDeferred ? process.stdout : process.stderr).write(line);
    return isDeferred ? 0 : 1;
  }
  if (mode === 'serve') return runUntilSignal(rest);
  process.stderr.write(USAGE);
  return 2;
}

async function runUntilSignal(args: readonly string[]): Promise<number> {
  const file = configFile(args);
  const config = readConfig(file);
  const log = new Log({ level: config.logLevel, fields: { program: 'control-plane' } });
  markWhenGrown();
  const serving = await serve(config, loadMaterial(config), log);
  // Supervisors wait for this line.
  process.stdout.write(`${JSON.stringify({ listening: serving.url })}\n`);
  log.info('listening', { url: serving.url });
  process.on('SIGHUP', () => void reload(file, serving, log));
  await signalled();
  log.info('shutting down');
  // Whatever hangs must not keep a supervisor waiting for ever.
  setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
  await serving.stop();
  return 0;
}

function configFile(args: readonly string[]): string {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } });
  if (values.config !== undefined) return values.config;
  throw new ConfigError('--config', 'missing', 'must name the configuration file');
}

/** What cannot be used changes nothing. */
async function reload(file: string, serving: Serving, log: Log): Promise<void> {
  try {
    await serving.reload(readConfig(file));
  } catch (error) {
    log.error('the configuration was not taken in: what was in force stays', { error });
  }
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}

/** Whether its message says it all: who reads it is an operator. */
function isPlain(error: Error): boolean {
  const isOfFlags = 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  return (
    isOfFlags || [ConfigError, BackupError, PostgresError].some((kind) => error instanceof kind)
  );
}

main(process.argv.slice(2)).then(
  // Not by itself: a TLS connection that was refused can make Node spin for ever while it clears up (seen on 26.10).
  (code) => process.exit(code),
  (error: unknown) => {
    const text = error instanceof Error && isPlain(error) ? error.message : describeError(error);
    process.stderr.write(`hostward control-plane: ${text}\n`);
    process.exit(1);
  },
);
