import { validateDocument, type HostPolicy } from '#policy-model';
import type { PolicyVersion } from '#contracts';
import type { SignedDocument } from '#bundle';
import {
  ShapeError,
  anything,
  count,
  flag,
  instant,
  oneOf,
  optional,
  parseJson,
  record,
  text,
  version1,
  type Read,
} from '../http/shape.js';

/** How a policy came to a version. */
const POLICY_CHANGES = [
  'created',
  'configured',
  'deleted',
  'rolled-back',
  'paused',
  'resumed',
] as const satisfies readonly PolicyVersion['change'][];

/**
 * One version of a policy, as `policy/{name}` and `history/{name}/{version}` hold it. Without a document it is a
 * deletion: a version like any other, so that numbers go on when a policy of that name comes back.
 */
export interface PolicyRecord {
  readonly v: 1;
  readonly name: string;
  readonly version: number;
  readonly change: PolicyVersion['change'];
  readonly paused: boolean;
  readonly owner?: string;
  readonly at: string;
  readonly by: string;
  readonly document?: HostPolicy;
  /** The document signed by the online key: what goes into bundles. */
  readonly envelope?: SignedDocument;
}

const envelope: Read<SignedDocument> = (value, field) => {
  // #bundle checks it strictly when it is put into a bundle, and every host before it is believed.
  if (typeof value === 'object' && value !== null && 'payload' in value)
    return value as SignedDocument;
  throw new ShapeError(field, 'must be a signed document');
};

const document: Read<HostPolicy> = (value, field) => {
  const parsed = validateDocument(value, { mode: 'lenient' });
  if (parsed.document?.kind === 'KubeArmorHostPolicy') return parsed.document;
  const reason = parsed.diagnostics.find((each) => each.severity === 'error')?.message;
  throw new ShapeError(field, `must be a host policy: ${reason ?? 'another kind'}`);
};

const stored = record<Omit<PolicyRecord, 'document'> & { readonly document?: unknown }>({
  v: version1,
  name: text(253),
  version: count,
  change: oneOf(POLICY_CHANGES),
  paused: flag,
  owner: optional(text(253)),
  at: instant,
  by: text(300),
  document: optional(anything),
  envelope: optional(envelope),
});

/** Reads a stored version; throws ShapeError. */
export function decodePolicy(bytes: Uint8Array): PolicyRecord {
  const read = stored(parseJson(bytes, 'policy'), 'policy');
  if (read.document === undefined) return { ...read, document: undefined };
  return { ...read, document: document(read.document, 'policy.document') };
}
