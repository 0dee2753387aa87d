import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { type CommandResult, mustRun } from './run-command.js';
import { shellQuote } from './ssh.client.js';

/** Options of `Vm.ssh`: deadline (default 60 s), stdin, and whether an exit code other than 0 is an answer. */
export interface SshOptions {
  timeoutMs?: number;
  input?: string | Uint8Array;
  allowFailure?: boolean;
}

/** Runs a command line in a guest, as `Vm.ssh` does. */
type GuestShell = (command: string, options?: SshOptions) => Promise<CommandResult>;

/** Copies a file, with its mode, or the contents of a folder to exactly `remotePath`; `scratch` is a folder of ours. */
export async function copyIn(
  ssh: GuestShell,
  scratch: string,
  localPath: string,
  remotePath: string,
): Promise<void> {
  const from = await stat(localPath);
  if (from.isDirectory()) return copyFolder(ssh, scratch, localPath, shellQuote([remotePath]));
  await copyOneFile(ssh, await readFile(localPath), from.mode & 0o777, shellQuote([remotePath]));
}

async function copyFolder(
  ssh: GuestShell,
  scratch: string,
  localFolder: string,
  to: string,
): Promise<void> {
  const work = await mkdtemp(join(scratch, 'copy-'));
  try {
    const archive = join(work, 'folder.tar');
    await mustRun('tar', ['-C', localFolder, '-cf', archive, '.'], { timeoutMs: 120_000 });
    const input = await readFile(archive);
    await ssh(`mkdir -p ${to} && tar -xf - -C ${to} --no-same-owner`, {
      input,
      timeoutMs: 300_000,
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The file appears whole, so that a program in use can be replaced. */
async function copyOneFile(
  ssh: GuestShell,
  input: Uint8Array,
  mode: number,
  to: string,
): Promise<void> {
  const write = `cat > ${to}.new && chmod ${mode.toString(8)} ${to}.new && mv ${to}.new ${to}`;
  await ssh(`mkdir -p "$(dirname ${to})" && ${write}`, { input, timeoutMs: 300_000 });
}

/** Copies `files` of the host and, if the guest answers, its journal of this boot into the folder `dir`. */
export async function collectLogs(
  ssh: GuestShell,
  files: readonly string[],
  dir: string,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const file of files) await copyFile(file, join(dir, basename(file))).catch(() => undefined);
  const command = 'journalctl -b --no-pager -o short-precise';
  const journal = await ssh(command, { timeoutMs: 20_000 }).catch(() => undefined);
  if (journal !== undefined) await writeFile(join(dir, 'journal.log'), journal.stdout);
}
