import { createHash, randomBytes } from 'node:crypto';
import { generateSigningKey, loadSigner, signRoot, type SigningKey } from '#bundle';
import { hashToken, makeToken } from '../access/index.js';
import type { Layout } from './layout.js';
import { readIfThere, writePrivate } from './private-file.js';

const ROOT_DAYS = 3_650;

/** Root key, root document, online key and epoch secret: made once, read ever after. */
export function ensureKeys(files: Layout): void {
  const root = ensureSigningKey(files.rootKey);
  const online = ensureSigningKey(files.onlineKey);
  if (readIfThere(files.root) === undefined)
    writePrivate(files.root, JSON.stringify(rootDocument(root, online)));
  ensureSecret(files.epochSecret, () => randomBytes(32).toString('base64'));
}

/** Makes the admin token where there is none and answers it, the only time that it is known. */
export function ensureAdminToken(files: Layout): string | undefined {
  if (readIfThere(files.adminTokenHash) !== undefined) return undefined;
  const token = makeToken('hwa');
  writePrivate(files.adminTokenHash, `${hashToken(token)}\n`);
  return token;
}

/** Passwords of the control plane and of the hosts on Redis, and the ACL file that knows them by their hashes. */
export function ensureRedisUsers(files: Layout): void {
  const password = () => randomBytes(32).toString('base64url');
  ensureSecret(files.redisPassword, password);
  ensureSecret(files.redisAgentPassword, password);
  writePrivate(files.redisAcl, redisAcl(read(files.redisPassword), read(files.redisAgentPassword)));
}

/** In this version all hosts share one user: it reads what comes down and writes states, events and bells. */
function redisAcl(control: string, agent: string): string {
  const hash = (password: string) => createHash('sha256').update(password).digest('hex');
  const keys = '%R~hw:b:* %R~hw:n:*:asg %R~hw:n:*:cur %RW~hw:n:*:state %RW~hw:n:*:ev';
  const channels = '&hw:nudge:* &hw:check &hw:bell:*';
  const commands =
    '-@all +get +getrange +strlen +exists +set +xadd +xlen +publish +subscribe +unsubscribe +ping +echo ' +
    '+auth +hello +select +reset +quit +client|setinfo +client|setname +client|id +info +pttl +ttl';
  return [
    'user default off',
    `user control on #${hash(control)} ~* &* +@all`,
    `user agent on #${hash(agent)} resetkeys resetchannels ${keys} ${channels} ${commands}`,
    '',
  ].join('\n');
}

function ensureSigningKey(path: string): SigningKey {
  const kept = readIfThere(path)?.trim();
  if (kept !== undefined) {
    const { keyid, key } = loadSigner(kept);
    return { keyid, key, privateKey: kept };
  }
  const made = generateSigningKey();
  writePrivate(path, `${made.privateKey}\n`);
  return made;
}

function ensureSecret(path: string, make: () => string): void {
  if (readIfThere(path) === undefined) writePrivate(path, `${make()}\n`);
}

function read(path: string): string {
  return (readIfThere(path) ?? '').trim();
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
