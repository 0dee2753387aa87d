import { etcdKeys, type EtcdStore } from '#etcd';
import { ConfigError } from '../config/config-error.js';
import { ShapeError } from '../http/shape.js';
import { decodeChannelKey } from '../records/channel-key.record.js';
import { ChannelKeyLockedError, type KeyEncryptionKeys } from '../records/key-encryption-keys.js';

/** Enough to see that the key is not the right one; a single record that is damaged is named by /readyz. */
const LOOKED_AT = 20;

/**
 * Refuses to start where none of the channel keys in etcd opens: hosts would be served nothing and believed nothing. Goes
 * on where etcd is away; /readyz then names what cannot be read. Throws ConfigError.
 */
export async function checkChannelKeys(
  etcd: EtcdStore,
  keks: KeyEncryptionKeys,
  file: string,
): Promise<void> {
  const values = await etcd.page(etcdKeys.keys, { limit: LOOKED_AT }).then(
    ({ items }) => items.map(({ value }) => value),
    () => [],
  );
  const reasons = values.map((value) => whyLocked(value, keks));
  const [reason] = reasons;
  if (reason === undefined || reasons.includes(undefined)) return;
  throw new ConfigError(
    'keys.channelKeyKeys',
    file,
    `does not open the channel keys in etcd: ${reason}. Restore the file from a backup or from another replica; if it ` +
      `is lost, delete all keys under ${etcdKeys.keys} in etcd, and hosts are given new ones`,
  );
}

function whyLocked(value: Uint8Array, keks: KeyEncryptionKeys): string | undefined {
  try {
    decodeChannelKey(value, keks);
    return undefined;
  } catch (error) {
    if (error instanceof ChannelKeyLockedError || error instanceof ShapeError) return error.message;
    throw error;
  }
}
