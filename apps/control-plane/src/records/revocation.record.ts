import { instant, matching, parseJson, record, text, version1 } from '../http/shape.js';

/**
 * Why a host's identity counts no more, as `revoke/{nodeId}` holds it. It outlives the node's record, so that an
 * offboarded host cannot come back under its old keys either; nothing ever removes it.
 */
export interface RevocationRecord {
  readonly v: 1;
  readonly nodeId: string;
  /** The name under which the host was enrolled. */
  readonly name: string;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
}

const stored = record<RevocationRecord>({
  v: version1,
  nodeId: matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
  name: text(253),
  reason: text(1_000),
  by: text(300),
  at: instant,
});

/** Reads a stored revocation; throws ShapeError. */
export function decodeRevocation(bytes: Uint8Array): RevocationRecord {
  return stored(parseJson(bytes, 'revocation'), 'revocation');
}

/** What a host that comes back, and who reads its log, is told. */
export function revocationText({ name, at, reason }: RevocationRecord): string {
  return (
    `the identity of host ${name} was revoked at ${at}: ${reason}; to let this machine in again it ` +
    'needs new keys: hostward node revoke --help has the steps'
  );
}
