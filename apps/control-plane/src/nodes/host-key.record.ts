import { matching, parseJson, record, text, version1 } from '../shape/shape.js';

/**
 * The key that a host and the control plane share for one epoch, as `key/{nodeId}/epoch-{n}` holds it. It lies in
 * etcd unencrypted: who reads etcd can read what hosts report and forge their reports, but not sign policies.
 */
export interface HostKeyRecord {
  readonly v: 1;
  readonly nodeId: string;
  readonly epoch: string;
  /** Base64 of 32 bytes. */
  readonly hostKey: string;
  /** The same, sealed to the host by HPKE. */
  readonly sealedHostKey: string;
}

const stored = record<HostKeyRecord>({
  v: version1,
  nodeId: matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
  epoch: matching(/^[0-9]{1,20}$/, 'must be a decimal number'),
  hostKey: matching(/^[A-Za-z0-9+/]{43}=$/, 'must be base64 of 32 bytes'),
  sealedHostKey: text(200),
});

/** Reads a stored host key; throws ShapeError. */
export function decodeHostKey(bytes: Uint8Array): HostKeyRecord {
  return stored(parseJson(bytes, 'hostKey'), 'hostKey');
}

/** Last segment of the key of an epoch's host key. */
export function hostKeyPurpose(epoch: string): string {
  return `epoch-${epoch}`;
}
