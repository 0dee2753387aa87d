import { canonicalBytes, parseCanonical } from './canonical.js';
import { KeyRing, type SignedDocument, signDocument, verifyDocument } from './dsse.js';
import { sha256Hex } from './encoding.js';
import { integer, object, sha256HexText, version1 } from './shape.js';
import type { PublicKey, Signer } from './signing-key.js';

/** What an entry of the audit log says. Its hash is over the canonical bytes (RFC 8785) of exactly these members. */
export interface AuditLogContent {
  readonly v: 1;
  /** From 1, without a gap. */
  readonly seq: number;
  /** ISO 8601, by the clock of the replica that wrote it. */
  readonly time: string;
  readonly actor: string;
  /** Address the actor called from; empty for what acts by itself. */
  readonly source: string;
  readonly action: string;
  readonly object: string;
  /** etcd's revision that the entry before this one made; this one is later. */
  readonly revision: string;
  readonly outcome: 'done' | 'refused';
  readonly detail: Readonly<Record<string, unknown>>;
  /** Hash of the entry before; 64 zeros in the first. */
  readonly prev: string;
}

/** One link of the chain; `hash` is lower-case hex of SHA-256. */
export interface AuditLogEntry extends AuditLogContent {
  readonly hash: string;
}

/** Where a chain ends, or begins. */
export interface AuditLogPoint {
  readonly seq: number;
  readonly hash: string;
}

/** The signed head: the chain ends at this point at `at` (ms since 1970). */
export interface AuditLogHead extends AuditLogPoint {
  readonly v: 1;
  readonly at: number;
}

/** What an empty audit log ends with. */
export const AUDIT_LOG_START: AuditLogPoint = { seq: 0, hash: '0'.repeat(64) };

const HEAD_TYPE = 'application/vnd.hostward.audit-log-head+json';
const MAX_HEAD_BYTES = 1_024;
const parseHead = object({
  v: version1,
  seq: integer(0),
  hash: sha256HexText,
  at: integer(0),
});

/** Makes the link: adds the hash. */
export function auditLogEntry(content: AuditLogContent): AuditLogEntry {
  return { ...content, hash: sha256Hex(canonicalBytes(content)) };
}

/** Whether `entry` follows `previous` and is what its hash says. */
export function followsInAuditLog(previous: AuditLogPoint, entry: AuditLogEntry): boolean {
  const { hash, ...content } = entry;
  const linked = entry.seq === previous.seq + 1 && entry.prev === previous.hash;
  return linked && sha256Hex(canonicalBytes(content)) === hash;
}

/** The first number that is wrong or missing in `entries` (ascending) after `start`; undefined for a whole chain. */
export function brokenAuditLogAt(
  start: AuditLogPoint,
  entries: readonly AuditLogEntry[],
): number | undefined {
  let last = start;
  for (const entry of entries) {
    if (!followsInAuditLog(last, entry)) return last.seq + 1;
    last = entry;
  }
  return undefined;
}

/** Signs a head. */
export function signAuditLogHead(head: AuditLogHead, signer: Signer): SignedDocument {
  return signDocument(HEAD_TYPE, canonicalBytes(head), [signer]);
}

/** Verifies, then parses; throws RefusedError. */
export function verifyAuditLogHead(signed: unknown, keys: readonly PublicKey[]): AuditLogHead {
  const trust = {
    payloadType: HEAD_TYPE,
    keys: new KeyRing(keys),
    threshold: 1,
    maxBytes: MAX_HEAD_BYTES,
  };
  const payload = verifyDocument(signed, trust, 'audit log head');
  return parseHead(parseCanonical(payload, 'audit log head', MAX_HEAD_BYTES), 'audit log head');
}
