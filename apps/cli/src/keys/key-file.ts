import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { generateSigningKey, loadSigner, type PublicKey, type Signer } from '#bundle';
import { contextFile } from '../client/context-file.js';
import { CommandFailed, messageOf, UsageError } from '../output/errors.js';
import { writeOutput } from '../output/output-file.js';

/** A key at rest: public in clear, private under a passphrase (scrypt, AES-256-GCM). Byte strings in base64. */
interface KeyFile extends PublicKey {
  readonly v: 1;
  readonly kdf: {
    readonly name: 'scrypt';
    readonly n: number;
    readonly r: 8;
    readonly p: 1;
    readonly salt: string;
  };
  readonly nonce: string;
  readonly sealed: string;
}

/** A key file of this user as it is listed. */
export interface NamedKey extends PublicKey {
  readonly name: string;
}

/** 128 MiB and about half a second a guess. */
const COST = 2 ** 17;
const MAX_COST = 2 ** 20;
const SHORTEST = 12;

/** Where keys lie: beside the contexts. */
function folder(): string {
  return join(dirname(contextFile()), 'keys');
}

function pathOf(name: string): string {
  if (/^[a-z0-9][-a-z0-9.]{0,62}$/.test(name)) return join(folder(), `${name}.key.json`);
  throw new UsageError(`"${name}" is no name of a key: small letters, digits, "-" and "."`);
}

/** Makes a key under a passphrase; one that is there is never overwritten. */
export async function createKey(name: string, passphrase: string): Promise<NamedKey> {
  if (passphrase.length < SHORTEST)
    throw new UsageError(`the passphrase must have at least ${SHORTEST} characters`);
  const { keyid, key, privateKey } = generateSigningKey();
  const [salt, nonce] = [randomBytes(16), randomBytes(12)];
  const kdf = { name: 'scrypt', n: COST, r: 8, p: 1, salt: salt.toString('base64') } as const;
  const cipher = createCipheriv('aes-256-gcm', derive(passphrase, kdf), nonce);
  cipher.setAAD(Buffer.from(keyid));
  const sealed = Buffer.concat([cipher.update(privateKey), cipher.final(), cipher.getAuthTag()]);
  const file: KeyFile = {
    ...({ v: 1, keyid, key, kdf } as const),
    nonce: nonce.toString('base64'),
    sealed: sealed.toString('base64'),
  };
  const text = `${JSON.stringify(file, null, 2)}\n`;
  await writeOutput(pathOf(name), text, { isNew: true, makesFolder: true });
  return { name, keyid, key };
}

/** Keys of this user, by name. */
export async function listKeys(): Promise<readonly NamedKey[]> {
  const files = await readdir(folder()).catch(() => []);
  const names = files.filter((file) => file.endsWith('.key.json')).map((file) => file.slice(0, -9));
  return Promise.all(names.sort().map(showKey));
}

export async function showKey(name: string): Promise<NamedKey> {
  const { keyid, key } = await read(name);
  return { name, keyid, key };
}

/** The key, opened. A file that others may read is refused. */
export async function openKey(name: string, passphrase: string): Promise<Signer> {
  const { keyid, kdf, nonce, sealed } = await read(name);
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv(
    'aes-256-gcm',
    derive(passphrase, kdf),
    Buffer.from(nonce, 'base64'),
    {
      authTagLength: 16,
    },
  );
  decipher.setAAD(Buffer.from(keyid));
  decipher.setAuthTag(bytes.subarray(-16));
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]);
    return loadSigner(text.toString('utf8'));
  } catch (cause) {
    throw new CommandFailed(`the passphrase does not open the key ${name}`, undefined, { cause });
  }
}

async function read(name: string): Promise<KeyFile> {
  const path = pathOf(name);
  try {
    if (((await stat(path)).mode & 0o077) !== 0) throw new Error('others may read it: chmod 600');
    const file = JSON.parse(await readFile(path, 'utf8')) as KeyFile;
    if (file.v !== 1 || file.kdf.name !== 'scrypt' || file.kdf.n > MAX_COST)
      throw new Error('is not a key file that this version reads');
    return file;
  } catch (cause) {
    throw new CommandFailed(
      `key ${name} (${path}): ${messageOf(cause)}`,
      '`hostward key list` shows those there are',
      {
        cause,
      },
    );
  }
}

function derive(passphrase: string, { n, r, p, salt }: KeyFile['kdf']): Buffer {
  const options = { N: n, r, p, maxmem: 256 * n * r };
  return scryptSync(passphrase, Buffer.from(salt, 'base64'), 32, options);
}
