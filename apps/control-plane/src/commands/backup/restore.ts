import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  type Stats,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { loadSigner, type Restoration, type Signer } from '#bundle';
import { makePrivateFolder } from '#files';
import { ConfigError } from '../../config/index.js';
import { forgetIdentity } from '../../alerts/sqlite-alert.store.js';
import { ShapeError } from '../../http/shape.js';
import { SecretFiles } from '../../config/secret-files.js';
import { readMember, unpack } from './archive.js';
import { BackupError } from './backup-error.js';
import {
  etcdMember,
  memberFolder,
  restoreMember,
  revisionOf,
  type EtcdMember,
} from './etcd-members.js';
import {
  ETCD_SNAPSHOT,
  MANIFEST,
  MANIFEST_SUM,
  describeMember,
  readManifest,
  type Manifest,
} from './manifest.js';
import { keepRedisPorts } from './redis-ports.js';
import { leaveNote } from '../../store/restored-note.js';

/** What `restore` answers on standard output, as one JSON object. */
export interface RestoreAnswer extends Restoration {
  readonly dataDir: string;
  /** Data directories of etcd, by member. */
  readonly etcd: Readonly<Record<string, string>>;
}

/** What `restore` is told, besides the backup. */
export interface RestoreFlags {
  readonly dataDir: string;
  readonly etcdDir: string;
  /** NAME=PEER-URL of each; without it one that is called `default`. */
  readonly etcdMember?: readonly string[];
  readonly passphraseFile?: string;
  readonly redisPorts?: string;
}

interface Options {
  readonly file: string;
  readonly dataDir: string;
  readonly etcdDir: string;
  readonly members: readonly EtcdMember[];
  readonly passphraseFile?: string;
  /** Of an `up`: where it finds the ports that it must take. */
  readonly redisPorts?: string;
}

const ALERTS = 'alerts.db';

/** Beyond what any etcd writes in a moment; the control plane takes so large a step for a restore that goes on. */
const LEAST_BUMP = 1_000_000;
/** More revisions than etcd makes in a millisecond, so that of two restores of one backup the later one is ahead. */
const REVISIONS_PER_MS = 10;

/**
 * Puts a backup into empty places: the control plane's folder, and etcd's data directory, one a member. All of it is
 * checked before, and appears at once at the end. etcd's revisions go on beyond all that hosts can have seen, so that
 * honest hosts follow. Throws BackupError or ConfigError; then nothing is there.
 */
export async function restore(archive: string, flags: RestoreFlags): Promise<RestoreAnswer> {
  const options = readOptions(archive, flags);
  const manifest = await manifestOf(options.file);
  mustBeFree('--data-dir', options.dataDir);
  mustBeFree('--etcd-dir', options.etcdDir);
  const staged = { data: `${options.dataDir}.restoring`, etcd: `${options.etcdDir}.restoring` };
  const clear = () => {
    for (const folder of Object.values(staged)) rmSync(folder, { recursive: true, force: true });
  };
  clear();
  try {
    for (const folder of Object.values(staged)) makeStaged(folder);
    await unpackChecked(options.file, manifest, staged.data);
    const signer = onlineKey(staged.data, options.passphraseFile);
    const note = await restoreEtcd(options, manifest, staged);
    leaveNote(staged.data, note, signer);
    if (manifest.members.some(({ path }) => path === ALERTS))
      forgetIdentity(join(staged.data, ALERTS));
    if (options.redisPorts !== undefined) keepRedisPorts(options.redisPorts, staged.data);
    putInPlace(staged, options);
    const { members, etcdDir, dataDir } = options;
    const etcd = new Map(
      members.map((each) => [each.name, memberFolder(etcdDir, each, members)] as const),
    );
    return { ...note, dataDir, etcd: Object.fromEntries(etcd) };
  } catch (error) {
    throw explained(error, options);
  } finally {
    clear();
  }
}

function makeStaged(folder: string): void {
  try {
    makePrivateFolder(folder);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOSPC') throw cause;
    throw new BackupError(folder, `cannot be made: ${message}`, 'name another folder', { cause });
  }
}

function readOptions(file: string, flags: RestoreFlags): Options {
  const { dataDir, etcdDir, passphraseFile, redisPorts } = flags;
  const { etcdMember: texts = ['default=http://localhost:2380'] } = flags;
  const members = texts.map(etcdMember);
  if (new Set(members.map(({ name }) => name)).size < members.length)
    throw new ConfigError('--etcd-member', texts.join(' '), 'names must differ');
  return {
    file: resolve(file),
    dataDir: resolve(dataDir),
    etcdDir: resolve(etcdDir),
    members,
    passphraseFile: passphraseFile && resolve(passphraseFile),
    redisPorts: redisPorts && resolve(redisPorts),
  };
}

async function manifestOf(file: string): Promise<Manifest> {
  if (!existsSync(file))
    throw new BackupError(file, 'there is no such file', 'name a file that backup wrote');
  try {
    const [text, sum] = [await readMember(file, MANIFEST), await readMember(file, MANIFEST_SUM)];
    return readManifest(text, sum);
  } catch (cause) {
    const why = cause instanceof ShapeError ? `: ${cause.message}` : '';
    const remedy = 'name a file that `hostward backup` of this or an earlier version wrote, whole';
    throw new BackupError(file, `is no backup of Hostward, or was damaged${why}`, remedy, {
      cause,
    });
  }
}

function mustBeFree(flag: string, folder: string): void {
  if (!existsSync(folder)) return;
  if (statSync(folder).dev !== statSync(dirname(folder)).dev) {
    const rule = 'must be no mount point, onto which nothing can be moved: make a folder below it';
    throw new ConfigError(flag, folder, `${rule}, and name that`);
  }
  if (readdirSync(folder).length === 0) return;
  const rule = 'must be empty or absent: a restore overwrites nothing; move it away first';
  throw new ConfigError(flag, folder, rule);
}

async function unpackChecked(file: string, { members }: Manifest, folder: string): Promise<void> {
  for (const name of ['keys', 'pki']) mkdirSync(join(folder, name), { mode: 0o700 });
  const paths = members.map(({ path }) => path);
  await unpack(file, folder, paths).catch((cause: unknown) => {
    throw new BackupError(file, 'is damaged: tar cannot read it', 'use another copy', { cause });
  });
  for (const member of members) {
    const path = join(folder, member.path);
    const found = isPlainFile(path) ? await describeMember(member.path, path) : undefined;
    if (found?.sha256 === member.sha256 && found.bytes === member.bytes) continue;
    const what = `is damaged: ${member.path} is not what ${MANIFEST} says`;
    throw new BackupError(file, what, 'use another copy of the file, or an earlier backup');
  }
}

function isPlainFile(path: string): boolean {
  const stats: Stats | undefined = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true;
}

/** Opened before anything is put in place: without its passphrase a control plane that is restored does not start. */
function onlineKey(folder: string, passphraseFile: string | undefined): Signer {
  const secrets = SecretFiles.open(join(folder, 'keys'), passphraseFile);
  return loadSigner(secrets.read('online key', join(folder, 'keys', 'online.key')).trim());
}

async function restoreEtcd(
  { members, file }: Options,
  { at }: Manifest,
  staged: { readonly data: string; readonly etcd: string },
): Promise<Restoration> {
  const snapshot = join(staged.data, ETCD_SNAPSHOT);
  const revision = await revisionOf(snapshot);
  const [backupAt, restoredAt] = [Date.parse(at), Date.now()];
  if (restoredAt < backupAt) {
    const what = `was made at ${at}, and the clock of this machine is before that`;
    throw new BackupError(file, what, 'set the clock: revisions go on by the time in between');
  }
  const bump = LEAST_BUMP + REVISIONS_PER_MS * (restoredAt - backupAt);
  for (const member of members) {
    const folder = memberFolder(staged.etcd, member, members);
    if (members.length === 1) rmSync(folder, { recursive: true });
    await restoreMember(snapshot, member, members, { folder, bump });
  }
  rmSync(snapshot);
  return { v: 1, backupAt, restoredAt, revision, goesOnAt: revision + bump };
}

/** Both or none: where the second cannot be put in place the first goes back, and is cleared away with it. */
function putInPlace(
  staged: { readonly data: string; readonly etcd: string },
  { dataDir, etcdDir }: Options,
): void {
  renameSync(staged.etcd, etcdDir);
  try {
    renameSync(staged.data, dataDir);
  } catch (cause) {
    renameSync(etcdDir, staged.etcd);
    const remedy = 'name a folder that is absent, or empty and no link; nothing was put there';
    throw new BackupError(dataDir, `nothing can be moved there: ${String(cause)}`, remedy, {
      cause,
    });
  }
}

function explained(error: unknown, { dataDir, etcdDir }: Options): unknown {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const words = [error, cause].map(String).join(' ');
  if (!/ENOSPC|No space left/i.test(words)) return error;
  const remedy = `free twice the size of the backup for ${dataDir} and ${etcdDir}; nothing was put there`;
  return new BackupError(dataDir, 'the disk is full', remedy, { cause: error });
}
