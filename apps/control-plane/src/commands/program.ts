import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { readConfig } from '../config/read-config.js';
import { backup, type BackupFlags } from './backup/backup.js';
import { restore, type RestoreFlags } from './backup/restore.js';
import { deferRedisAccept } from './defer-accept.js';
import { followRedis } from './follow-redis.js';
import { init } from './init/init.js';
import { initCommand, readInitOptions, type InitFlags } from './init/options.js';
import { passphrase, type PassphraseFlags } from './init/passphrase.js';
import { renew } from './init/renew.js';
import { requestKeys, shareKeys, takeKeys } from './init/replica-keys.js';
import { moveStore } from './move-store.js';
import { openSecret, type OpenSecretFlags } from './open-secret.js';
import { serveUntilSignal } from './serve.js';

const NOTES = `
Without a passphrase file, the passphrase is systemd's credential hostward-passphrase, where there is one.
Each key of the configuration may come from the environment instead: HOSTWARD_CONTROL_PLANE__LISTEN__PORT is listen.port.
`;
const CONFIG = ['--config <file>', 'the configuration'] as const;
const DATA_DIR = ['--data-dir <folder>', 'where everything of the control plane lies'] as const;
const PASSPHRASE = ['--passphrase-file <file>', 'passphrase of the keys'] as const;

/** Every subcommand. Parsing throws CommanderError for wrong usage and for help, which it has printed. */
export function controlPlaneProgram(): Command {
  const program = new Command('control-plane')
    .description('The control plane of Hostward, and what its machine needs beside it.')
    .addHelpText('after', NOTES)
    .exitOverride();
  addServing(program);
  addFolder(program);
  addKeys(program);
  addBackup(program);
  addRedis(program);
  return program;
}

function addServing(program: Command): void {
  program
    .command('serve')
    .description('Run. SIGHUP has it take certificates, logLevel and oidc in anew.')
    .requiredOption(...CONFIG)
    .action(({ config }: { config: string }) => serveUntilSignal(config));
  program
    .command('check')
    .description('Say what is wrong with a configuration, without a start.')
    .requiredOption(...CONFIG)
    .action(({ config }: { config: string }) => void readConfig(config));
}

function addFolder(program: Command): void {
  program.addCommand(
    initCommand()
      .copyInheritedSettings(program)
      .action(async (flags: InitFlags) => print(await init(readInitOptions(flags)))),
  );
  program
    .command('renew')
    .description('Renew certificates that init made, in the second half of their life.')
    .requiredOption(...CONFIG)
    .action(async ({ config }: { config: string }) => print(await renew(config)));
  program
    .command('passphrase')
    .description('Encrypt the keys, change their passphrase, or remove it. Prints a JSON object.')
    .requiredOption(...DATA_DIR)
    .option(...PASSPHRASE)
    .option('--new-passphrase-file <file>', 'the new passphrase')
    .option('--remove', 'keep the keys in clear')
    .action((flags: PassphraseFlags) => print(passphrase(flags)));
  program
    .command('open-secret')
    .description('Print the secret in a sealed file, for a program that signs with it.')
    .requiredOption('--file <file>', 'the sealed file')
    .option(...PASSPHRASE)
    .option('--passphrase-stdin', 'read the passphrase from standard input')
    .action((flags: OpenSecretFlags) => void process.stdout.write(openSecret(flags, readInput)));
}

function addKeys(program: Command): void {
  program
    .command('request-keys')
    .description('On a further machine, first: print the request for the keys that all share.')
    .requiredOption(...DATA_DIR)
    .action(({ dataDir }: { dataDir: string }) => line(requestKeys(dataDir)));
  program
    .command('share-keys')
    .description('On the first machine: print these keys, without the root key, sealed to it.')
    .requiredOption(...DATA_DIR)
    .requiredOption('--to <request>', 'what request-keys printed')
    .action(async ({ dataDir, to }: { dataDir: string; to: string }) =>
      line(await shareKeys(dataDir, to)),
    );
  program
    .command('take-keys')
    .description('On the further machine: read from standard input what share-keys printed.')
    .requiredOption(...DATA_DIR)
    .action(({ dataDir }: { dataDir: string }) => takeKeys(dataDir, readInput()));
}

function addBackup(program: Command): void {
  program
    .command('backup')
    .description('Back up etcd, the stores and the keys while all run. Prints a JSON object.')
    .requiredOption(...CONFIG)
    .requiredOption('--out <file>', 'the file to write')
    .option(...PASSPHRASE)
    .action(async (flags: BackupFlags) => print(await backup(flags)));
  program
    .command('restore')
    .description('Put a backup into empty folders. Prints a JSON object.')
    .argument('<file>', 'what backup wrote')
    .requiredOption(...DATA_DIR)
    .requiredOption('--etcd-dir <folder>', 'data of etcd, one folder in it for each member')
    .option('--etcd-member <name=peer-url...>', 'members of etcd (default: one named default)')
    .option(...PASSPHRASE)
    .option('--redis-ports <file>', 'where `up` finds the ports that it must take')
    .action(async (file: string, flags: RestoreFlags) => print(await restore(file, flags)));
  program
    .command('move-store')
    .description('Copy audit log and alerts of a stopped control plane into its PostgreSQL.')
    .requiredOption(...CONFIG)
    .action(async ({ config }: { config: string }) => print(await moveStore(config)));
}

function addRedis(program: Command): void {
  program
    .command('follow-redis')
    .description('Have the Redis of another machine follow, once, before Sentinels start.')
    .requiredOption(...CONFIG)
    .requiredOption('--at <host>', 'where the Redis is that is to follow')
    .action(async ({ config, at }: { config: string; at: string }) =>
      print(await followRedis(config, at)),
    );
  program
    .command('defer-accept')
    .description(
      'Have connections reach a Redis with their first bytes. 1 where the kernel refuses.',
    )
    .requiredOption('--pid <pid>', 'process of the Redis')
    .action(async ({ pid }: { pid: string }) => {
      const { isDeferred, line: text } = await deferRedisAccept(pid);
      (isDeferred ? process.stdout : process.stderr).write(text);
      if (!isDeferred) process.exitCode = 1;
    });
}

function readInput(): string {
  return readFileSync(0, 'utf8');
}

function line(text: string): void {
  process.stdout.write(`${text}\n`);
}

function print(answer: object): void {
  line(JSON.stringify(answer));
}
