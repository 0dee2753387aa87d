import type { AssignmentVersion } from '#contracts';
import { canonicalBytes, parseCanonical } from './canonical.js';
import {
  KeyRing,
  type SignedDocument,
  payloadTypes,
  signDocument,
  verifyDocument,
} from './dsse.js';
import { RefusedError, malformed } from './errors.js';
import { limits } from './limits.js';
import { parseAssignmentVersion } from './assignment-version.js';
import {
  type Parser,
  anything,
  integer,
  list,
  mapOf,
  object,
  oneOf,
  sha256HexText,
  text,
  version1,
} from './shape.js';
import { type Signer, keyIdOf } from './signing-key.js';

/** A policy in force on a host: which version of its author's document, and how many of its rules are in which state. */
export interface StatedPolicy {
  readonly name: string;
  /** Of the signed document; absent where the host compiled it before it kept them. */
  readonly document?: { readonly version: number; readonly digest: string };
  /** Rules by state. */
  readonly states: Readonly<Record<string, number>>;
}

/**
 * What a host says of itself, signed with its first key, whose hash is its node id: so who knows the id can check it
 * and needs no control plane for it. Times in ms since 1970; (`bootedAt`, `sequence`) grows with each signed status.
 */
export interface HostSignedStatus {
  readonly v: 1;
  readonly nodeId: string;
  /** Start of the agent. */
  readonly bootedAt: number;
  readonly sequence: number;
  readonly at: number;
  /** When the kernel was read back. */
  readonly asOf: number;
  /** What is in force; absent before the first assignment. */
  readonly applied?: AssignmentVersion & { readonly digest: string };
  /** Of the root document that the host follows. */
  readonly rootVersion: number;
  readonly enforcer: 'apparmor' | 'bpf' | 'observe' | 'none';
  readonly mode: 'enforce' | 'audit' | 'off';
  readonly conditions: readonly string[];
  readonly suspension?: {
    readonly mode: 'audit' | 'off';
    readonly until: number;
    readonly by: 'console' | 'control-plane' | 'boot-guard';
  };
  readonly policies: readonly StatedPolicy[];
  /** Signed heads of the audit log that the host has seen, oldest first. */
  readonly auditLog: readonly unknown[];
}

const parsePolicy: Parser<StatedPolicy> = object(
  { name: text(limits.nameChars), states: mapOf(integer(0), 16) },
  { document: object({ version: integer(1), digest: sha256HexText }) },
);

const parseApplied: Parser<NonNullable<HostSignedStatus['applied']>> = (value, path) => {
  const { digest, ...assignmentVersion } = object({
    epoch: anything,
    generation: anything,
    issuedAt: anything,
    digest: sha256HexText,
  })(value, path);
  return { ...parseAssignmentVersion(assignmentVersion, path), digest };
};

const parseShape: Parser<HostSignedStatus> = object(
  {
    v: version1,
    nodeId: sha256HexText,
    bootedAt: integer(0),
    sequence: integer(0),
    at: integer(0),
    asOf: integer(0),
    rootVersion: integer(1),
    enforcer: oneOf('apparmor', 'bpf', 'observe', 'none'),
    mode: oneOf('enforce', 'audit', 'off'),
    conditions: list(text(40), 8),
    policies: list(parsePolicy, limits.policiesPerBundle),
    auditLog: list(anything, limits.auditLogHeadsPerHost),
  },
  {
    applied: parseApplied,
    suspension: object({
      mode: oneOf('audit', 'off'),
      until: integer(0),
      by: oneOf('console', 'control-plane', 'boot-guard'),
    }),
  },
);

/** Signs what a host says of itself; throws RefusedError on what no reader would take, or under another host's id. */
export function signStatus(signedStatus: HostSignedStatus, signer: Signer): SignedDocument {
  const payload = canonicalBytes(signedStatus);
  checkOwner(parsePayload(payload), signer.keyid);
  return signDocument(payloadTypes.signedStatus, payload, [signer]);
}

/**
 * The signed status of exactly host `nodeId`: `key` (base64 of the raw public key) is believed only because its hash is
 * that id; then the signature, then the content. Throws RefusedError: `unknown-key` for another host's key.
 */
export function verifySignedStatus(signed: unknown, key: string, nodeId: string): HostSignedStatus {
  const keyid = keyIdOf(key);
  if (keyid !== nodeId)
    throw new RefusedError('unknown-key', `signed status: its key is that of host ${keyid}`);
  const trust = {
    payloadType: payloadTypes.signedStatus,
    keys: new KeyRing([{ keyid, key }]),
    threshold: 1,
    maxBytes: limits.signedStatusBytes,
  };
  return checkOwner(parsePayload(verifyDocument(signed, trust, 'signed status')), nodeId);
}

function parsePayload(payload: Uint8Array): HostSignedStatus {
  const parsed = parseShape(
    parseCanonical(payload, 'signed status', limits.signedStatusBytes),
    'signed status',
  );
  parsed.policies.forEach(({ name }, index) => {
    const before = parsed.policies[index - 1];
    if (before && before.name >= name)
      malformed('signed status', 'is not in the order of names, or names one twice');
  });
  return parsed;
}

function checkOwner(signedStatus: HostSignedStatus, nodeId: string): HostSignedStatus {
  if (signedStatus.nodeId === nodeId) return signedStatus;
  throw new RefusedError(
    'not-for-this-node',
    'signed status: speaks of another host than its signer',
  );
}
