import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ConfigError } from '../../config/index.js';
import { BackupError } from './backup-error.js';

const run = promisify(execFile);
const TIMEOUT_MS = 1_800_000;

/** A member of the cluster that etcd is to be: `--name` and `--initial-advertise-peer-urls` of that etcd. */
export interface EtcdMember {
  readonly name: string;
  readonly peer: string;
}

/** Reads `NAME=URL`; throws ConfigError. */
export function etcdMember(text: string): EtcdMember {
  const match = /^([\w-]{1,64})=(https?:\/\/[^/\s,]+)$/.exec(text);
  if (match?.[1] !== undefined && match[2] !== undefined) return { name: match[1], peer: match[2] };
  const rule = 'must be NAME=PEER-URL, for instance etcd1=https://10.0.0.1:2380';
  throw new ConfigError('--etcd-member', JSON.stringify(text), rule);
}

/** The revision of a snapshot, which is whole then. Throws BackupError. */
export async function revisionOf(snapshot: string): Promise<number> {
  const { stdout } = await etcdutl(snapshot, ['snapshot', 'status', snapshot, '-w', 'json']);
  const { revision } = JSON.parse(stdout) as { revision?: unknown };
  if (typeof revision === 'number' && Number.isSafeInteger(revision)) return revision;
  throw new BackupError(snapshot, 'etcdutl names no revision of it', 'take another backup');
}

/** A data directory for one member; its revisions go on `bump` later, and nobody can watch from before. */
export async function restoreMember(
  snapshot: string,
  member: EtcdMember,
  members: readonly EtcdMember[],
  { folder, bump }: { readonly folder: string; readonly bump: number },
): Promise<void> {
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(',');
  await etcdutl(snapshot, [
    ...['snapshot', 'restore', snapshot, '--data-dir', folder, '--name', member.name],
    ...['--initial-cluster', cluster, '--initial-advertise-peer-urls', member.peer],
    ...['--bump-revision', `${bump}`, '--mark-compacted'],
  ]);
}

/** Where a member's data directory goes: the folder itself where it is alone. */
export function memberFolder(
  etcdDir: string,
  { name }: EtcdMember,
  members: readonly unknown[],
): string {
  return members.length === 1 ? etcdDir : join(etcdDir, name);
}

async function etcdutl(snapshot: string, args: readonly string[]): Promise<{ stdout: string }> {
  try {
    return await run('etcdutl', args, { timeout: TIMEOUT_MS });
  } catch (cause) {
    const { code, stderr } = cause as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT')
      throw new BackupError(
        'etcdutl',
        'is not installed',
        'install it (Debian: apt-get install etcd-server), 3.5 or later',
        { cause },
      );
    const why = (stderr ?? String(cause)).trim().split('\n').at(-1) ?? '';
    throw new BackupError(snapshot, `etcdutl does not take it: ${why}`, 'take another backup', {
      cause,
    });
  }
}
