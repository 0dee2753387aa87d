import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  generateSealingKey,
  openReplicaKeys,
  RefusedError,
  sealReplicaKeys,
  type SealingKey,
} from '#bundle';
import { makePrivateFolder } from '#files';
import { ConfigError } from '../../config/config-error.js';
import { ownLayout, type Layout } from './layout.js';
import { readIfThere, writePrivate } from '../../config/private-file.js';

/** What control planes have in common: all keys but the root key, and the authorities; each has leaves of its own. */
const SHARED =
  /^(?:keys\/(?!root\.key$)[\w.-]+|pki\/(?:ca|ca-next|authority|authority-\w+|etcd-ca)\.(?:pem|key))$/;
const ROOT = 'keys/root.json';

type Shared = Readonly<Record<string, string>>;

/**
 * Makes the key to which another control plane seals the keys for this one, and answers its public part. It is used once.
 * Throws ConfigError where there are keys already.
 */
export function requestKeys(dataDir: string): string {
  const files = layoutOf(dataDir);
  const kept = readIfThere(files.replicaKey);
  if (kept !== undefined) return (JSON.parse(kept) as SealingKey).sealingKey;
  refuseKeys(files);
  makePrivateFolder(files.dataDir);
  const made = generateSealingKey();
  writePrivate(files.replicaKey, JSON.stringify(made));
  return made.sealingKey;
}

/** The keys that another control plane has to have too, as they lie, sealed to what it answered to `requestKeys`. */
export async function shareKeys(dataDir: string, to: string): Promise<string> {
  const files = layoutOf(dataDir);
  const paths = ['keys', 'pki'].flatMap((folder) => namesIn(join(files.dataDir, folder), folder));
  const shared = paths.filter((path) => SHARED.test(path));
  if (!shared.includes(ROOT))
    throw new ConfigError('--data-dir', files.dataDir, 'holds no keys of a control plane');
  const text = (path: string) => readFileSync(join(files.dataDir, path), 'utf8');
  const content: Shared = Object.fromEntries(shared.map((path) => [path, text(path)]));
  return believed('--to', to, () => sealReplicaKeys(Buffer.from(JSON.stringify(content)), to));
}

/** Puts them into a data directory that has none. Throws ConfigError. */
export async function takeKeys(dataDir: string, sealed: string): Promise<void> {
  const files = layoutOf(dataDir);
  refuseKeys(files);
  const kept = readIfThere(files.replicaKey);
  if (kept === undefined)
    throw new ConfigError(
      '--data-dir',
      files.dataDir,
      'holds no key of request-keys: run it first',
    );
  const { privateKey } = JSON.parse(kept) as SealingKey;
  const opened = await believed('standard input', 'not what share-keys says', () =>
    openReplicaKeys(sealed.trim(), privateKey),
  );
  const content = JSON.parse(opened.toString('utf8')) as Shared;
  const stranger = Object.keys(content).find((path) => !SHARED.test(path));
  if (stranger !== undefined)
    throw new ConfigError('standard input', stranger, 'is no file that control planes share');
  for (const folder of files.folders) makePrivateFolder(folder);
  // The root document last: with it they are whole.
  const { [ROOT]: root = '', ...others } = content;
  for (const [path, text] of [...Object.entries(others), [ROOT, root]] as const)
    writePrivate(join(files.dataDir, path), text);
  rmSync(files.replicaKey);
}

function refuseKeys({ root, dataDir }: Layout): void {
  if (existsSync(root))
    throw new ConfigError('--data-dir', dataDir, 'has keys already: they are not replaced');
}

function namesIn(path: string, folder: string): string[] {
  return existsSync(path) ? readdirSync(path).map((name) => `${folder}/${name}`) : [];
}

async function believed<T>(field: string, value: string, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!(cause instanceof RefusedError)) throw cause;
    throw new ConfigError(field, value, `cannot be used: ${cause.message}`, { cause });
  }
}

function layoutOf(dataDir: string): Layout {
  return ownLayout(resolve(dataDir));
}
