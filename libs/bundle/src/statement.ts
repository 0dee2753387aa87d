import type { Ordering } from '#contracts';
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
import { parseOrdering } from './ordering.js';
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
 * and needs no control plane for it. Times in ms since 1970; (`bootedAt`, `sequence`) grows with each statement.
 */
export interface HostStatement {
  readonly v: 1;
  readonly nodeId: string;
  /** Start of the agent. */
  readonly bootedAt: number;
  readonly sequence: number;
  readonly at: number;
  /** When the kernel was read back. */
  readonly asOf: number;
  /** What is in force; absent before the first assignment. */
  readonly applied?: Ordering & { readonly digest: string };
  /** Of the root document that the host follows. */
  readonly rootVersion: number;
  readonly enforcer: 'apparmor' | 'bpf' | 'observe' | 'none';
  readonly mode: 'enforce' | 'audit' | 'off';
  readonly qualifiers: readonly string[];
  readonly suspension?: {
    readonly mode: 'audit' | 'off';
    readonly until: number;
    readonly by: 'console' | 'control-plane' | 'boot-guard';
  };
  readonly policies: readonly StatedPolicy[];
  /** Signed heads of the journal that the host has seen, oldest first. */
  readonly journal: readonly unknown[];
}

const parsePolicy: Parser<StatedPolicy> = object(
  { name: text(limits.nameChars), states: mapOf(integer(0), 16) },
  { document: object({ version: integer(1), digest: sha256HexText }) },
);

const parseApplied: Parser<NonNullable<HostStatement['applied']>> = (value, path) => {
  const { digest, ...ordering } = object({
    epoch: anything,
    generation: anything,
    issuedAt: anything,
    digest: sha256HexText,
  })(value, path);
  return { ...parseOrdering(ordering, path), digest };
};

const parseShape: Parser<HostStatement> = object(
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
    qualifiers: list(text(40), 8),
    policies: list(parsePolicy, limits.policiesPerBundle),
    journal: list(anything, limits.journalHeadsPerHost),
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
export function signStatement(statement: HostStatement, signer: Signer): SignedDocument {
  const payload = canonicalBytes(statement);
  checkOwner(parsePayload(payload), signer.keyid);
  return signDocument(payloadTypes.statement, payload, [signer]);
}

/**
 * The statement of exactly host `nodeId`: `key` (base64 of the raw public key) is believed only because its hash is
 * that id; then the signature, then the content. Throws RefusedError: `unknown-key` for another host's key.
 */
export function verifyStatement(signed: unknown, key: string, nodeId: string): HostStatement {
  const keyid = keyIdOf(key);
  if (keyid !== nodeId)
    throw new RefusedError('unknown-key', `statement: its key is that of host ${keyid}`);
  const trust = {
    payloadType: payloadTypes.statement,
    keys: new KeyRing([{ keyid, key }]),
    threshold: 1,
    maxBytes: limits.statementBytes,
  };
  return checkOwner(parsePayload(verifyDocument(signed, trust, 'statement')), nodeId);
}

function parsePayload(payload: Uint8Array): HostStatement {
  const parsed = parseShape(
    parseCanonical(payload, 'statement', limits.statementBytes),
    'statement',
  );
  parsed.policies.forEach(({ name }, index) => {
    const before = parsed.policies[index - 1];
    if (before && before.name >= name)
      malformed('statement', 'is not in the order of names, or names one twice');
  });
  return parsed;
}

function checkOwner(statement: HostStatement, nodeId: string): HostStatement {
  if (statement.nodeId === nodeId) return statement;
  throw new RefusedError('not-for-this-node', 'statement: speaks of another host than its signer');
}
