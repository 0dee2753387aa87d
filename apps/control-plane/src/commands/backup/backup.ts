import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  createWriteStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pipeline } from 'node:stream/promises';
import { EtcdStore } from '#etcd';
import { ConfigError, type ServerConfig } from '../../config/index.js';
import { loadMaterial } from '../../config/material.js';
import { readConfig } from '../../config/read-config.js';
import { isSealed } from '../../config/vault.js';
import { readIfThere } from '../../config/private-file.js';
import { pack } from './archive.js';
import { BackupError } from './backup-error.js';
import {
  ETCD_SNAPSHOT,
  MANIFEST,
  MANIFEST_SUM,
  describeMember,
  isMemberPath,
  readManifest,
  writeManifest,
} from './manifest.js';

const FOLDERS = ['keys', 'pki'] as const;
/** Keys that etcd and Redis read themselves, in clear: `init` makes others. */
const NOT_KEPT = ['pki/etcd.key', 'pki/redis.key'];
const isLeftOut = (path: string): boolean => path.endsWith('.new') || NOT_KEPT.includes(path);
/** Alerts and audit log in PostgreSQL are the operator's to dump: its own tools are right for any size. */
const storesIn = ({ store }: ServerConfig): readonly string[] =>
  store.postgresql ? [] : ['audit-log.db', 'alerts.db'];
const CONFIG = 'control-plane.yaml';
const SUM_BYTES = 32;

/** What `backup` answers on standard output, as one JSON object. */
export interface BackupAnswer {
  readonly file: string;
  readonly bytes: number;
  readonly members: readonly string[];
  /** Members with a secret in clear, since the data directory has no passphrase. */
  readonly inClear: readonly string[];
  /** Files that lie elsewhere, those of names that are none of ours, and a database: they are not in it. */
  readonly elsewhere: readonly string[];
}

/** What `backup` is told. */
export interface BackupFlags {
  readonly config: string;
  readonly out: string;
  readonly passphraseFile?: string;
}

/** Backs a control plane up while it serves: etcd at one revision, its stores, its keys as they lie. */
export async function backup(flags: BackupFlags): Promise<BackupAnswer> {
  const { config, out } = options(flags);
  if (existsSync(out))
    throw new BackupError(out, 'is there already', 'name another file: no backup is overwritten');
  // A name that nobody else gives a folder, since what a run that was killed left is removed.
  const folder = join(dirname(out), `.hostward-${basename(out)}.part`);
  try {
    rmSync(folder, { recursive: true, force: true });
    for (const name of ['', ...FOLDERS]) mkdirSync(join(folder, name), { mode: 0o700 });
    return await make(config, out, folder);
  } catch (error) {
    throw explained(error, out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function make(config: ServerConfig, out: string, folder: string): Promise<BackupAnswer> {
  const at = new Date().toISOString();
  await saveSnapshot(config, join(folder, ETCD_SNAPSHOT));
  // After the snapshot: entries that are later than it are taken out at the restore, and none is missing.
  for (const store of storesIn(config)) copyStore(join(config.dataDir, store), join(folder, store));
  for (const path of plainFiles(config))
    copyFileSync(join(config.dataDir, path), join(folder, path));
  const paths = [ETCD_SNAPSHOT, ...storesIn(config), ...plainFiles(config)];
  const there = paths.filter((path) => existsSync(join(folder, path)));
  const members = await Promise.all(there.map((path) => describeMember(path, join(folder, path))));
  const { text, sum } = writeManifest({ v: 1, hostward: 'backup', at, members });
  // What could not be restored is no backup.
  readManifest(text, sum);
  writeFileSync(join(folder, MANIFEST), text);
  writeFileSync(join(folder, MANIFEST_SUM), sum);
  const archive = join(folder, 'archive.tar');
  await pack(archive, folder, [MANIFEST, MANIFEST_SUM, ...there]);
  putInPlace(archive, out);
  return {
    file: out,
    bytes: (await describeMember(out, out)).bytes,
    members: there,
    inClear: secretsIn(config).filter(
      (path) => !isSealed(readIfThere(join(config.dataDir, path)) ?? ''),
    ),
    elsewhere: elsewhere(config),
  };
}

function options({ config: file, out, passphraseFile }: BackupFlags): {
  config: ServerConfig;
  out: string;
} {
  const config = readConfig(file);
  mustHoldKeys(config);
  const keys = {
    ...config.keys,
    ...(passphraseFile && { passphraseFile: resolve(passphraseFile) }),
  };
  return { config: { ...config, keys }, out: resolve(out) };
}

/** Without these nobody goes on, so a backup has them. */
function mustHoldKeys({ dataDir, keys }: ServerConfig): void {
  const { passphraseFile: _notKept, caCertificate: _public, ...own } = keys;
  for (const [name, path] of Object.entries(own)) {
    const folders = FOLDERS.map((folder) => join(dataDir, folder));
    const inside = relative(dataDir, path);
    if (folders.includes(dirname(path)) && isMemberPath(inside) && !isLeftOut(inside)) continue;
    const rule =
      `must lie in ${folders.join(' or ')}, as init puts it, under a name of letters, digits, . _ and - that does not ` +
      'end in .new: a backup takes those files';
    throw new ConfigError(`keys.${name}`, path, rule);
  }
}

/** Throws where etcd did not send all of it: the last bytes are the sum of the others. */
async function saveSnapshot(config: ServerConfig, file: string): Promise<void> {
  const { etcd: credentials } = loadMaterial(config);
  const etcd = EtcdStore.connect({ hosts: config.etcd.hosts, credentials });
  const hash = createHash('sha256');
  let end: Buffer = Buffer.alloc(0);
  try {
    await pipeline(
      etcd.snapshot(),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          const held = Buffer.concat([end, chunk]);
          end = held.subarray(Math.max(0, held.length - SUM_BYTES));
          hash.update(held.subarray(0, held.length - end.length));
          yield chunk;
        }
      },
      createWriteStream(file, { mode: 0o600 }),
    );
  } finally {
    etcd.close();
  }
  if (end.equals(hash.digest())) return;
  throw new BackupError(file, 'etcd did not send a whole snapshot', 'run it again');
}

/** As of one moment, while its owner goes on writing. */
function copyStore(from: string, to: string): void {
  if (!existsSync(from)) return;
  const db = new DatabaseSync(from);
  try {
    db.exec('PRAGMA busy_timeout = 10000');
    db.prepare('VACUUM INTO ?').run(to);
  } finally {
    db.close();
  }
}

function plainFiles(config: ServerConfig): readonly string[] {
  const ours = existsSync(join(config.dataDir, CONFIG)) ? [CONFIG] : [];
  return [...ours, ...inFolders(config).filter(isMemberPath)];
}

/** Files of the folders, also by links: a key may lie on another volume. */
function inFolders({ dataDir }: ServerConfig): readonly string[] {
  return FOLDERS.flatMap((folder) =>
    existsSync(join(dataDir, folder))
      ? readdirSync(join(dataDir, folder)).map((name) => `${folder}/${name}`)
      : [],
  ).filter(
    (path) =>
      !isLeftOut(path) && statSync(join(dataDir, path), { throwIfNoEntry: false })?.isFile(),
  );
}

function secretsIn(config: ServerConfig): readonly string[] {
  return plainFiles(config).filter((path) => /\.(key|secret|password)$/.test(path));
}

function elsewhere(config: ServerConfig): readonly string[] {
  const { dataDir, keys, tls, etcd, redis, store, ...rest } = config;
  const files = [
    ...[
      keys.caCertificate,
      tls.ca,
      tls.cert,
      tls.key,
      etcd.tls?.ca,
      redis.tls?.ca,
      redis.passwordFile,
    ],
    ...[rest.adminTokenHashFile, rest.oidc?.ca],
    ...[store.postgresql?.passwordFile, store.postgresql?.ca],
  ];
  const outside = (file: string | undefined) =>
    file !== undefined && !file.startsWith(join(dataDir, '/'));
  const paths = [...new Set(files.filter(outside))].map(String).toSorted();
  const strays = inFolders(config).filter((path) => !isMemberPath(path));
  return [...databaseOf(store), ...paths, ...strays.map((path) => join(dataDir, path))];
}

function databaseOf({ postgresql }: ServerConfig['store']): readonly string[] {
  if (!postgresql) return [];
  const { host, port, database } = postgresql;
  return [`database ${database} of PostgreSQL at ${host}:${port} (alerts and audit log)`];
}

function putInPlace(archive: string, out: string): void {
  chmodSync(archive, 0o600);
  syncFile(archive);
  renameSync(archive, out);
  syncFile(dirname(out));
}

function syncFile(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function explained(error: unknown, out: string): unknown {
  const message = error instanceof Error ? error.message : String(error);
  if (!/ENOSPC|No space left|disk is full/i.test(message)) return error;
  const remedy = `free twice the size of etcd and stores in ${dirname(out)}, or name another place; nothing is left there`;
  return new BackupError(out, 'the disk is full', remedy, { cause: error });
}
