import { existsSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateFolder } from '#files';
import { CommandFailed, messageOf, UsageError } from '../output/errors.js';
import { mustBeFree } from './ports.js';

/** etcd sets two files of 64 MiB aside when it starts for the first time. */
const ROOM_MIB = 192;
const MIB = 1024 ** 2;

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
  // One that is in use starts on any disk: a full one must not keep an operator from a control plane.
  if (!existsSync(join(dataDir, 'etcd'))) await mustHaveRoom(dataDir);
}

async function mustBeWritable(dataDir: string): Promise<void> {
  const remedy = 'name another folder by --data-dir';
  try {
    makePrivateFolder(dataDir);
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = messageOf(error);
    throw new CommandFailed(`cannot use the data folder ${dataDir}: ${why}`, remedy);
  }
}

async function mustHaveRoom(dataDir: string): Promise<void> {
  const { blocks, bavail, bsize } = await statfs(dataDir);
  const mib = Math.floor((bavail * bsize) / MIB);
  // Some file systems do not say how large they are.
  if (blocks === 0 || mib >= ROOM_MIB) return;
  throw new CommandFailed(
    `the data folder ${dataDir} has room for ${mib} MiB, and a first start needs ${ROOM_MIB}`,
    'make room there, or name another folder by --data-dir',
  );
}
