import { matching, parseJson, record, text, version1 } from '../http/shape.js';
import type {
  ChannelKeyOwner,
  KeyEncryptionKeys,
  WrappedChannelKey,
} from './key-encryption-keys.js';

/**
 * The key that a host and the control plane share for one epoch, as `key/{nodeId}/epoch-{n}` holds it. It lies in
 * etcd wrapped: who reads etcd, or a backup of it, can neither read what hosts report nor forge their reports.
 */
export interface StoredChannelKey extends ChannelKeyOwner, WrappedChannelKey {
  readonly v: 1;
  /** The same key, sealed to the host by HPKE. */
  readonly sealedChannelKey: string;
}

/** The same, opened: only in memory. */
export interface ChannelKeyRecord extends ChannelKeyOwner {
  /** Id of the key under which it lies in etcd. */
  readonly kek: string;
  /** 32 bytes, which nobody changes: #bundle remembers what it derived from them. */
  readonly channelKey: Buffer;
  readonly sealedChannelKey: string;
}

const stored = record<StoredChannelKey>({
  v: version1,
  nodeId: matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
  epoch: matching(/^[0-9]{1,20}$/, 'must be a decimal number'),
  kek: matching(/^[0-9a-f]{16}$/, 'must be 16 hexadecimal digits'),
  wrappedChannelKey: matching(/^[A-Za-z0-9+/]{80}$/, 'must be base64 of 60 bytes'),
  sealedChannelKey: text(200),
});

/** Wraps a channel key for etcd. */
export function encodeChannelKey(
  channelKey: Uint8Array,
  { nodeId, epoch }: ChannelKeyOwner,
  sealedChannelKey: string,
  keks: KeyEncryptionKeys,
): string {
  const wrapped = keks.wrap(channelKey, { nodeId, epoch });
  const value: StoredChannelKey = { v: 1, nodeId, epoch, ...wrapped, sealedChannelKey };
  return JSON.stringify(value);
}

/** Reads and opens a stored channel key; throws ShapeError or ChannelKeyLockedError. */
export function decodeChannelKey(bytes: Uint8Array, keks: KeyEncryptionKeys): ChannelKeyRecord {
  const value = stored(parseJson(bytes, 'channelKey'), 'channelKey');
  const { nodeId, epoch, kek, sealedChannelKey } = value;
  const channelKey = keks.unwrap(value, { nodeId, epoch });
  return { nodeId, epoch, kek, channelKey, sealedChannelKey };
}

/** Last segment of the key of an epoch's channel key. */
export function channelKeyPurpose(epoch: string): string {
  return `epoch-${epoch}`;
}
