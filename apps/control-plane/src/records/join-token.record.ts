import { ATTESTATIONS, type AttestationKind, type JoinTokenView } from '#contracts';
import type { Scope } from '../auth/scope.js';
import { makeToken } from '../auth/token-hash.js';
import {
  count,
  instant,
  list,
  mapOf,
  matching,
  oneOf,
  optional,
  parseJson,
  record,
  text,
  version1,
} from '../http/shape.js';

/** How many networks a join token may name. */
export const MAX_CIDRS = 64;
/** How many groups a join token may name. */
export const MAX_GROUPS = 32;

/** A join token as `join/{id}` holds it: its hash, never the token. */
export interface JoinTokenRecord {
  readonly v: 1;
  readonly id: string;
  readonly hash: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly uses: number;
  readonly used: number;
  readonly expiresAt: string;
  /** Networks from which hosts may join by it; absent: from anywhere. */
  readonly cidrs?: readonly string[];
  readonly attest?: AttestationKind;
  /** Groups in which every host is that joins by it. */
  readonly groups?: readonly string[];
  /** The one name under which a host may join by it. */
  readonly node?: string;
  /** Scope of who made it: no host outside joins by it. */
  readonly scope?: string;
  readonly by: string;
  readonly at: string;
}

const ID = /^[0-9a-f]{16}$/;

/** Whether a join token may be called so. */
export function isJoinTokenId(id: string): boolean {
  return ID.test(id);
}

const stored = record<JoinTokenRecord>({
  v: version1,
  id: matching(ID, 'must be 16 hexadecimal digits'),
  hash: matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
  labels: mapOf(text(253), 256),
  uses: count,
  used: count,
  expiresAt: instant,
  cidrs: optional(list(text(50), MAX_CIDRS)),
  attest: optional(oneOf(ATTESTATIONS)),
  groups: optional(list(text(253), MAX_GROUPS)),
  node: optional(text(253)),
  scope: optional(text(2_000)),
  by: text(300),
  at: instant,
});

/** Reads a stored join token; throws ShapeError. */
export function decodeJoinToken(bytes: Uint8Array): JoinTokenRecord {
  return stored(parseJson(bytes, 'joinToken'), 'joinToken');
}

/** The token as it is shown once: its id in the clear, so that it is found without trying all. */
export function composeToken(id: string): string {
  return makeToken('hwj').replace('_', `_${id}_`);
}

/** Id in a join token; undefined for what is none. */
export function tokenId(token: string): string | undefined {
  return /^hwj_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/.exec(token)?.[1];
}

/** Why a token does not let a host in now; undefined where it does. */
export function refusalOf(record: JoinTokenRecord, nowMs: number): string | undefined {
  if (Date.parse(record.expiresAt) <= nowMs) return 'the join token has expired';
  return record.used >= record.uses ? 'the join token is used up' : undefined;
}

/** A join token as REST shows it. */
export function joinTokenView(record: JoinTokenRecord, token?: string): JoinTokenView {
  const {
    id,
    labels,
    uses,
    used,
    expiresAt,
    cidrs = [],
    attest,
    groups = [],
    node,
    scope,
  } = record;
  const usesLeft = Math.max(0, uses - used);
  return { id, labels, groups, node, scope, uses, usesLeft, expiresAt, cidrs, attest, token };
}

/** Whether every host that joins by this token is in the scope, whoever made the token. */
export function isWithinScope({ labels }: JoinTokenRecord, scope: Scope | undefined): boolean {
  return scope?.has({ name: '', labels }) ?? true;
}
