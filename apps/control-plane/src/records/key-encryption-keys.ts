import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ID = 'hostward/v1/kek-id';
const PURPOSE = 'hostward/v1/wrapped-channel-key';

/** Whose channel key it is: bound to the wrapped form, so that it opens under no other record. */
export interface ChannelKeyOwner {
  readonly nodeId: string;
  readonly epoch: string;
}

/** A channel key as it may lie in etcd, and the id of the key that opens it. */
export interface WrappedChannelKey {
  readonly kek: string;
  /** Base64 of nonce, ciphertext and tag. */
  readonly wrappedChannelKey: string;
}

/** What was stored cannot be opened by the keys there are. */
export class ChannelKeyLockedError extends Error {
  override readonly name = 'ChannelKeyLockedError';
}

/**
 * The keys under which channel keys lie in etcd (AES-256-GCM, a random nonce each). The first wraps; all open, so that a
 * new one can be put in front and records follow.
 */
export class KeyEncryptionKeys {
  static readonly maxKeys = 8;
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #first: string;

  /** Keys of 32 bytes, the one that wraps first. Throws RangeError. */
  constructor(keys: readonly Buffer[]) {
    const { maxKeys } = KeyEncryptionKeys;
    if (keys.length > maxKeys) throw new RangeError(`holds more than ${maxKeys} keys`);
    if (keys.some((key) => key.length !== KEY_BYTES))
      throw new RangeError('must hold 32 bytes in base64 on each line');
    this.#keys = new Map(keys.map((key) => [idOf(key), key]));
    const [first] = this.#keys.keys();
    if (first === undefined) throw new RangeError('must hold 32 bytes in base64');
    this.#first = first;
  }

  /** Reads the file's form: base64, one key a line. Throws RangeError. */
  static parse(text: string): KeyEncryptionKeys {
    const lines = text.trim().split(/\s+/);
    return new KeyEncryptionKeys(lines.map((line) => Buffer.from(line, 'base64')));
  }

  /** A new key in the file's form. */
  static generate(): string {
    return randomBytes(KEY_BYTES).toString('base64');
  }

  /** Id of the key that wraps. */
  get id(): string {
    return this.#first;
  }

  /** Wraps under the first key. */
  wrap(channelKey: Uint8Array, owner: ChannelKeyOwner): WrappedChannelKey {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.id), nonce);
    cipher.setAAD(associated(owner, this.id));
    const sealed = Buffer.concat([nonce, cipher.update(channelKey), cipher.final()]);
    const wrapped = Buffer.concat([sealed, cipher.getAuthTag()]);
    return { kek: this.id, wrappedChannelKey: wrapped.toString('base64') };
  }

  /** Throws ChannelKeyLockedError where the key is not there, or the record is not what was wrapped. */
  unwrap({ kek, wrappedChannelKey }: WrappedChannelKey, owner: ChannelKeyOwner): Buffer {
    const wrapped = Buffer.from(wrappedChannelKey, 'base64');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      this.#key(kek),
      wrapped.subarray(0, NONCE_BYTES),
      { authTagLength: TAG_BYTES },
    );
    decipher.setAAD(associated(owner, kek));
    decipher.setAuthTag(wrapped.subarray(-TAG_BYTES));
    const body = wrapped.subarray(NONCE_BYTES, -TAG_BYTES);
    try {
      return inOwnMemory(Buffer.concat([decipher.update(body), decipher.final()]));
    } catch (cause) {
      throw new ChannelKeyLockedError(
        `the channel key of ${owner.nodeId} in epoch ${owner.epoch} is not what was wrapped`,
        { cause },
      );
    }
  }

  #key(id: string): Buffer {
    const key = this.#keys.get(id);
    if (key) return key;
    throw new ChannelKeyLockedError(
      `channel keys in etcd are under the key ${id}, which this control plane does not have ` +
        `(it has ${[...this.#keys.keys()].join(', ')})`,
    );
  }
}

/** A small buffer of Node's holds the 64 KiB that it was cut from, as long as it lives: for each host. */
function inOwnMemory(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  bytes.fill(0);
  return own;
}

function associated({ nodeId, epoch }: ChannelKeyOwner, kek: string): Buffer {
  return Buffer.from([PURPOSE, kek, nodeId, epoch].join('\0'), 'utf8');
}

function idOf(key: Buffer): string {
  return createHash('sha256').update(`${ID}\0`).update(key).digest('hex').slice(0, 16);
}
