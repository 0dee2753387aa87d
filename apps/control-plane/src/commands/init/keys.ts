import { createHash, randomBytes } from 'node:crypto';
import { existsSync, lstatSync, rmSync } from 'node:fs';
import { generateSigningKey, loadSigner, signRoot, type SigningKey } from '#bundle';
import { makePrivateFolder } from '#files';
import { hashToken, makeToken } from '../../auth/token-hash.js';
import { ConfigError } from '../../config/index.js';
import { KeyEncryptionKeys } from '../../records/key-encryption-keys.js';
import type { SecretFiles } from '../../config/secret-files.js';
import type { Layout } from './layout.js';
import type { InitOptions } from './options.js';
import { readIfThere, writePrivate } from '../../config/private-file.js';

const ROOT_DAYS = 3_650;

/**
 * Throws ConfigError where the root document is missing from a data directory that was in use: hosts would not follow
 * another one. A first start that was broken off before it is none.
 */
export function refuseLostRoot(files: Layout): void {
  if (existsSync(files.root)) return;
  const later = [files.epochSecret, files.channelKeyKeys, files.roots, files.adminTokenHash];
  // A link that leads nowhere counts: what it leads to may come back.
  if (![files.root, ...later].some(isEntry)) return;
  throw new ConfigError(
    'the root document',
    files.root,
    'is missing or leads nowhere, in a data directory that is in use: restore it from a backup or another replica, ' +
      'or run take-keys again',
  );
}

/**
 * Root key, root document, online key and epoch secret: made once, read ever after. A root key that was taken to a safe
 * place is not made again.
 */
export function ensureKeys(files: Layout, secrets: SecretFiles): void {
  const online = ensureSigningKey(files.onlineKey, secrets);
  if (readIfThere(files.root) === undefined) {
    const root = ensureSigningKey(files.rootKey, secrets);
    writePrivate(files.root, JSON.stringify(rootDocument(root, online)));
  }
  ensureSecret(files.epochSecret, secrets, () => randomBytes(32).toString('base64'));
  ensureSecret(files.channelKeyKeys, secrets, () => KeyEncryptionKeys.generate());
}

/** Makes the admin token where there is none, or anew, and answers it, the only time that it is known but for its file. */
export function ensureAdminToken(files: Layout, options: InitOptions): string | undefined {
  const { resetAdminToken = false, adminTokenFile } = options;
  if (!resetAdminToken && readIfThere(files.adminTokenHash) !== undefined) return undefined;
  const token = makeToken('hwa');
  // The token first: once its hash is there it is not made again.
  if (adminTokenFile !== undefined) writePrivate(adminTokenFile, `${token}\n`);
  try {
    writePrivate(files.adminTokenHash, `${hashToken(token)}\n`);
  } catch (error) {
    if (adminTokenFile !== undefined) rmSync(adminTokenFile);
    throw error;
  }
  return token;
}

/**
 * The control plane's password for Redis, and the users that Redis starts with: nobody but the control plane, known by
 * a hash. No ACL file: one would bring users of hosts back that were removed.
 */
export function ensureRedisUsers(files: Layout, secrets: SecretFiles, hasReplicas: boolean): void {
  const make = () => randomBytes(32).toString('base64url');
  const password = ensureSecret(files.redisPassword, secrets, make);
  const hash = createHash('sha256').update(password).digest('hex');
  const control = `user control on #${hash} ~* &* +@all`;
  writePrivate(files.redisUsers, ['user default off', control, ''].join('\n'));
  if (hasReplicas) writeReplicaLogins(files, control, password);
}

/** By which a Redis logs in to the one that it follows, and a Sentinel to Redis and to the others; both read them in clear. */
function writeReplicaLogins(files: Layout, control: string, password: string): void {
  makePrivateFolder(files.redisFolder);
  writePrivate(files.redisMasterAuth, `masterauth ${password}\n`);
  const logins = ['hostward', 'hostward-events'].map(
    (name) => `sentinel auth-pass ${name} ${password}`,
  );
  const lines = [control, `sentinel sentinel-pass ${password}`, ...logins, ''];
  writePrivate(files.sentinelLogin, lines.join('\n'));
}

/**
 * Puts a new key that wraps channel keys in front; the older ones go on opening until the control plane has followed. None
 * is dropped, since records may still lie under it: throws ConfigError where there are as many as there may be.
 */
export function rotateChannelKeyKey(files: Layout, secrets: SecretFiles): void {
  const kept = (secrets.readIfThere(files.channelKeyKeys) ?? '')
    .split(/\s+/)
    .filter((key) => key !== '');
  if (kept.length >= KeyEncryptionKeys.maxKeys)
    throw new ConfigError(
      '--rotate-channel-key-key',
      `one key too many for ${files.channelKeyKeys}, which has ${kept.length}`,
      'start without the flag, and when the audit log shows keys.rewrapped for the first of them, take the last line out ' +
        '(under a passphrase: `passphrase --remove` before, and set it again after)',
    );
  const keys = [KeyEncryptionKeys.generate(), ...kept];
  secrets.write(files.channelKeyKeys, `${keys.join('\n')}\n`);
}

function isEntry(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function ensureSigningKey(path: string, secrets: SecretFiles): SigningKey {
  const kept = secrets.readIfThere(path)?.trim();
  if (kept !== undefined) {
    const { keyid, key } = loadSigner(kept);
    return { keyid, key, privateKey: kept };
  }
  const made = generateSigningKey();
  secrets.write(path, `${made.privateKey}\n`);
  return made;
}

function ensureSecret(path: string, secrets: SecretFiles, make: () => string): string {
  const kept = secrets.readIfThere(path)?.trim();
  if (kept === '') throw new ConfigError('a secret', path, 'is empty: restore it from a backup');
  if (kept !== undefined) return kept;
  const made = make();
  secrets.write(path, `${made}\n`);
  return made;
}

function rootDocument(root: SigningKey, online: SigningKey) {
  const publicPart = ({ keyid, key }: SigningKey) => ({ keyid, key });
  const document = {
    v: 1,
    version: 1,
    epoch: '1',
    expiresAt: Date.now() + ROOT_DAYS * 86_400_000,
    mode: 'managed',
    root: { threshold: 1, keys: [publicPart(root)] },
    authors: [],
    online: [publicPart(online)],
  } as const;
  return signRoot(document, [loadSigner(root.privateKey)]);
}
