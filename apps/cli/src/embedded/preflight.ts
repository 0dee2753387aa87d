import { access, constants, mkdir, stat } from 'node:fs/promises';
import { CommandFailed, messageOf, UsageError } from '../errors.js';
import { mustBeFree } from './ports.js';

/** Host and port of `--listen`; throws UsageError. */
export function listenAddress(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port > 0 && port < 65_536)) {
    throw new UsageError(`--listen "${text}" is not ADDRESS:PORT, e.g. 127.0.0.1:7443`);
  }
  return { host, port };
}

/** Finds what would keep `up` from running before anything is made or started. */
export async function preflight(
  dataDir: string,
  { host, port }: { host: string; port: number },
): Promise<void> {
  await mustBeFree(host, port, '(--listen)');
  await mustBeWritable(dataDir);
}

async function mustBeWritable(dataDir: string): Promise<void> {
  const remedy = 'name another folder by --data-dir';
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await access(dataDir, constants.W_OK | constants.X_OK);
    if ((await stat(dataDir)).isDirectory()) return;
  } catch (error) {
    const why = messageOf(error);
    throw new CommandFailed(`cannot use the data folder ${dataDir}: ${why}`, remedy);
  }
  throw new CommandFailed(`the data folder ${dataDir} is no folder`, remedy);
}
