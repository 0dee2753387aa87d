import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { runControlPlane } from '../embedded/control-plane.js';
import { portsFile } from '../embedded/ports.js';
import { liveUp } from '../embedded/run-record.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { pathOf } from '../input/path.js';
import { outputFile } from '../output/output-file.js';
import { defaultDataDir } from '../product/package-root.js';

/** A store of alerts may be large. */
const TIMEOUT_MS = 3_600_000;

/** `backup` and `restore`: all that a control plane keeps, in one file. Passphrases come from files, never as arguments. */
export function registerBackup(program: Command): void {
  program
    .command('backup')
    .requiredOption(
      '--out <file>',
      'the file to write; none is overwritten',
      outputFile('--out', { isNew: true }),
    )
    .option('--data-dir <dir>', 'the folder given to up', pathOf('--data-dir'), defaultDataDir())
    .option('--config <file>', 'instead: configuration of a control plane without up')
    .option('--passphrase-file <file>', 'that of the keys, where they have one')
    .description('put all that the control plane keeps into one file, while it serves')
    .addHelpText(
      'after',
      `
Examples:
  hostward backup --out hostward-monday.backup
  hostward backup --config /etc/hostward/control-plane.yaml --out /srv/hw.backup
In it: etcd at one revision, audit log, alerts, configuration, and the folders
keys/ and pki/ as they lie: encrypted where there is a passphrase, which is not
in it. Not in it: the keys of etcd and Redis, which are made anew, what Redis
holds, logs, packages, and what any host keeps. Run it as the user that the
control plane runs as. The file needs its own size three times while it is made.`,
    )
    .action(backup);
  program
    .command('restore')
    .argument('<file>', 'what backup wrote')
    .option(
      '--data-dir <dir>',
      'the folder to be given to up',
      pathOf('--data-dir'),
      defaultDataDir(),
    )
    .option('--control-plane-dir <dir>', 'instead: folder of a control plane without up')
    .option('--etcd-dir <dir>', 'with it: where data directories of etcd go')
    .option('--etcd-member <name=url...>', 'with it: name and peer URL of each etcd')
    .option('--passphrase-file <file>', 'that of the keys in the backup')
    .description('put a backup into empty folders; hosts follow what comes from there')
    .addHelpText(
      'after',
      `
Examples:
  hostward restore hostward-monday.backup && hostward up --detach
  hostward restore hw.backup --control-plane-dir /var/lib/hostward-control-plane
    --etcd-dir /var/lib/etcd-new --etcd-member a=https://10.0.0.1:2380
    --etcd-member b=https://10.0.0.2:2380 --etcd-member c=https://10.0.0.3:2380
Everything is checked before anything is put in place, and nothing that is there
is overwritten. Revisions of etcd go on beyond all that hosts have seen, so that
they follow without a new epoch. What was changed after the backup is lost, and
the audit log says so. Revocations are lost too: revoke again.`,
    )
    .action(restore);
}

interface BackupOptions {
  readonly out: string;
  readonly dataDir: string;
  readonly config?: string;
  readonly passphraseFile?: string;
}

interface BackupAnswer {
  readonly file: string;
  readonly bytes: number;
  readonly members: readonly string[];
  readonly inClear: readonly string[];
  readonly elsewhere: readonly string[];
}

async function backup({ out, dataDir, config, passphraseFile }: BackupOptions): Promise<void> {
  const file = config ?? join(dataDir, 'control-plane', 'control-plane.yaml');
  if (config === undefined && !existsSync(file))
    throw new UsageError(
      `--data-dir "${dataDir}" holds no control plane: give the folder that up was given (hostward context list)`,
    );
  const args = [
    `--config=${resolve(file)}`,
    `--out=${resolve(out)}`,
    ...(passphraseFile === undefined ? [] : [`--passphrase-file=${resolve(passphraseFile)}`]),
  ];
  const answer = JSON.parse(await run(['backup', ...args])) as BackupAnswer;
  console.log(`${answer.file}: ${answer.bytes} bytes, ${answer.members.length} files`);
  if (answer.inClear.length > 0)
    console.error(
      `warning: keys lie in it in clear, as on this machine: who has the file is the control plane (${answer.inClear.join(', ')})`,
    );
  if (answer.elsewhere.length > 0)
    console.error(`note: not in it, back up by yourself: ${answer.elsewhere.join(', ')}`);
}

interface RestoreOptions {
  readonly dataDir: string;
  readonly controlPlaneDir?: string;
  readonly etcdDir?: string;
  readonly etcdMember?: readonly string[];
  readonly passphraseFile?: string;
}

interface RestoreAnswer {
  readonly backupAt: number;
  readonly revision: number;
  readonly goesOnAt: number;
  readonly dataDir: string;
  readonly etcd: Readonly<Record<string, string>>;
}

async function restore(file: string, options: RestoreOptions): Promise<void> {
  const { passphraseFile, controlPlaneDir } = options;
  const to = controlPlaneDir === undefined ? ofUp(options) : ofServices(options);
  const args = [
    resolve(file),
    ...to,
    ...(passphraseFile === undefined ? [] : [`--passphrase-file=${resolve(passphraseFile)}`]),
  ];
  const answer = JSON.parse(await run(['restore', ...args])) as RestoreAnswer;
  tell(answer);
  if (controlPlaneDir === undefined) console.log('Go on with `hostward up`.');
}

function ofUp({ dataDir, etcdDir, etcdMember }: RestoreOptions): readonly string[] {
  if (etcdDir !== undefined || etcdMember !== undefined)
    throw new UsageError('--etcd-dir and --etcd-member go with --control-plane-dir');
  const folder = resolve(dataDir);
  if (liveUp(folder) !== undefined)
    throw new CommandFailed('the control plane is up', 'run `hostward down` first');
  const [controlPlane, etcd] = [join(folder, 'control-plane'), join(folder, 'etcd')];
  const member = 'hostward=https://127.0.0.1:2380';
  return [
    `--data-dir=${controlPlane}`,
    `--etcd-dir=${etcd}`,
    `--etcd-member=${member}`,
    `--redis-ports=${portsFile(folder)}`,
  ];
}

function ofServices({ controlPlaneDir, etcdDir, etcdMember }: RestoreOptions): readonly string[] {
  if (etcdDir === undefined || etcdMember === undefined)
    throw new UsageError('--control-plane-dir needs --etcd-dir and --etcd-member');
  return [
    `--data-dir=${resolve(controlPlaneDir ?? '')}`,
    `--etcd-dir=${resolve(etcdDir)}`,
    ...etcdMember.map((member) => `--etcd-member=${member}`),
  ];
}

function tell({ backupAt, revision, goesOnAt, dataDir, etcd }: RestoreAnswer): void {
  console.log(
    `restored the state of ${new Date(backupAt).toISOString()}, etcd revision ${revision}`,
  );
  console.log(`  control plane  ${dataDir}`);
  for (const [name, folder] of Object.entries(etcd)) console.log(`  etcd ${name}  ${folder}`);
  console.log(
    `Revisions go on at ${goesOnAt}: hosts follow. What was changed after the backup is lost.`,
  );
  console.log(
    'Where a root document was published after it (root-rollback in `hostward doctor`): run `hostward recover`, which says how.',
  );
  console.log(
    'On machines that verify the audit log: `hostward audit-log verify` names the entry to confirm.',
  );
}

function run(args: readonly string[]): Promise<string> {
  return runControlPlane(args, { timeoutMs: TIMEOUT_MS });
}
