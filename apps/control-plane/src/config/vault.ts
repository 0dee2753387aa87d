import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { matching, oneOf, parseJson, record, version1, type Read } from '../http/shape.js';

/** 128 MiB and about half a second for one guess. */
const COST = 2 ** 17;
const BLOCK_SIZE = 8;
const MAX_MEMORY = 2 ** 28;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LOCK = 'hostward/v1/vault';
const FILE = 'hostward/v1/sealed-file';
const MAX_SEALED_CHARS = 64 * 1024;

/** The passphrase is wrong, or what was to be opened is not what was sealed. */
export class VaultError extends Error {
  override readonly name = 'VaultError';
}

interface Sealed {
  /** Base64 of nonce, ciphertext and tag. */
  readonly sealed: string;
}

/** The file that holds a vault's key under a passphrase: scrypt (N = 2^17, r = 8, p = 1), AES-256-GCM. */
interface LockFile extends Sealed {
  readonly v: 1;
  readonly hostward: 'vault';
  readonly kdf: 'scrypt-17-8-1';
  readonly salt: string;
}

/** A file under a vault's key; its name is bound to it, so that no file can stand for another. */
interface SealedFile extends Sealed {
  readonly v: 1;
  readonly hostward: 'sealed-file';
  readonly name: string;
}

const base64: Read<string> = (value, field) => {
  const text = matching(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64')(value, field);
  return text.length <= MAX_SEALED_CHARS ? text : '';
};
const lockFile = record<LockFile>({
  v: version1,
  hostward: oneOf(['vault']),
  kdf: oneOf(['scrypt-17-8-1']),
  salt: base64,
  sealed: base64,
});
const sealedFile = record<SealedFile>({
  v: version1,
  hostward: oneOf(['sealed-file']),
  name: matching(/^[\w.-]{1,100}$/, 'must be the name of a file'),
  sealed: base64,
});

/**
 * Seals and opens files under a key of its own, which lies in a file under a passphrase: another passphrase is one
 * write, and the slow derivation is done once.
 */
export class Vault {
  private constructor(private readonly key: Buffer) {}

  /** A new vault, to be kept by `lock`. */
  static make(): Vault {
    return new Vault(randomBytes(KEY_BYTES));
  }

  /** Opens what `lock` made. Throws VaultError, or ShapeError for what is no such file. */
  static unlock(text: string, passphrase: string): Vault {
    const file = lockFile(parseJson(Buffer.from(text), 'vault'), 'vault');
    const wrapping = derive(passphrase, Buffer.from(file.salt, 'base64'));
    return new Vault(decrypt(wrapping, file.sealed, LOCK));
  }

  /** The vault's key under a passphrase, as the text of a file. */
  lock(passphrase: string): string {
    const salt = randomBytes(SALT_BYTES);
    const sealed = encrypt(derive(passphrase, salt), this.key, LOCK);
    const kdf = 'scrypt-17-8-1';
    const file: LockFile = { v: 1, hostward: 'vault', kdf, salt: salt.toString('base64'), sealed };
    return `${JSON.stringify(file)}\n`;
  }

  /** The text of the file `name`, sealed. */
  seal(name: string, text: string): string {
    const sealed = encrypt(this.key, Buffer.from(text, 'utf8'), `${FILE}\0${name}`);
    const file: SealedFile = { v: 1, hostward: 'sealed-file', name, sealed };
    return `${JSON.stringify(file)}\n`;
  }

  /** Opens what `seal` made of the file `name`. Throws VaultError or ShapeError. */
  open(name: string, text: string): string {
    const file = sealedFile(parseJson(Buffer.from(text), name), name);
    return decrypt(this.key, file.sealed, `${FILE}\0${name}`).toString('utf8');
  }
}

/** Whether a text is a sealed file, of whatever vault. */
export function isSealed(text: string): boolean {
  return text.includes('"hostward":"sealed-file"');
}

function derive(passphrase: string, salt: Buffer): Buffer {
  const options = { N: COST, r: BLOCK_SIZE, p: 1, maxmem: MAX_MEMORY };
  return scryptSync(passphrase.normalize('NFC'), salt, KEY_BYTES, options);
}

function encrypt(key: Buffer, plain: Buffer, purpose: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(purpose));
  const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final()]);
  return Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64');
}

function decrypt(key: Buffer, text: string, purpose: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new VaultError('it is cut short');
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(purpose));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const body = bytes.subarray(NONCE_BYTES, -TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch (cause) {
    throw new VaultError('the key does not open it', { cause });
  }
}
