import { matching, parseJson, record, text, version1 } from '../http/shape.js';
import type { HostKeyOwner, KeyEncryptionKeys, WrappedHostKey } from './key-encryption-keys.js';

/**
 * The key that a host and the control plane share for one epoch, as `key/{nodeId}/epoch-{n}` holds it. It lies in
 * etcd wrapped: who reads etcd, or a backup of it, can neither read what hosts report nor forge their reports.
 */
export interface StoredHostKey extends HostKeyOwner, WrappedHostKey {
  readonly v: 1;
  /** The same key, sealed to the host by HPKE. */
  readonly sealedHostKey: string;
}

/** The same, opened: only in memory. */
export interface HostKeyRecord extends HostKeyOwner {
  /** Id of the key under which it lies in etcd. */
  readonly kek: string;
  /** 32 bytes, which nobody changes: #bundle remembers what it derived from them. */
  readonly hostKey: Buffer;
  readonly sealedHostKey: string;
}

const stored = record<StoredHostKey>({
  v: version1,
  nodeId: matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
  epoch: matching(/^[0-9]{1,20}$/, 'must be a decimal number'),
  kek: matching(/^[0-9a-f]{16}$/, 'must be 16 hexadecimal digits'),
  wrappedHostKey: matching(/^[A-Za-z0-9+/]{80}$/, 'must be base64 of 60 bytes'),
  sealedHostKey: text(200),
});

/** Wraps a host key for etcd. */
export function encodeHostKey(
  hostKey: Uint8Array,
  { nodeId, epoch }: HostKeyOwner,
  sealedHostKey: string,
  keks: KeyEncryptionKeys,
): string {
  const wrapped = keks.wrap(hostKey, { nodeId, epoch });
  const value: StoredHostKey = { v: 1, nodeId, epoch, ...wrapped, sealedHostKey };
  return JSON.stringify(value);
}

/** Reads and opens a stored host key; throws ShapeError or HostKeyLockedError. */
export function decodeHostKey(bytes: Uint8Array, keks: KeyEncryptionKeys): HostKeyRecord {
  const value = stored(parseJson(bytes, 'hostKey'), 'hostKey');
  const { nodeId, epoch, kek, sealedHostKey } = value;
  const hostKey = keks.unwrap(value, { nodeId, epoch });
  return { nodeId, epoch, kek, hostKey, sealedHostKey };
}

/** Last segment of the key of an epoch's host key. */
export function hostKeyPurpose(epoch: string): string {
  return `epoch-${epoch}`;
}
