import { etcdKeys, type Condition, type Write } from '#etcd';
import { annotationMarks, type HostPolicy } from '#policy-model';
import type { PolicyDocument, SignedDocument } from '#bundle';
import type { Stored } from '../store/record-index.js';
import type { PolicyRecord } from '../records/policy.record.js';

/** Versions of a policy that are kept; older ones go with the write that makes a newer one. */
/** Mirror: the help of `hostward history`. */
const KEPT_VERSIONS = 50;

/** Signs a version of a policy with the online key. */
type SignPolicy = (document: PolicyDocument) => SignedDocument;

/** Who changes a policy, when, and how. */
export interface Revising {
  readonly by: string;
  readonly at: string;
  readonly sign: SignPolicy;
}

type Content = Pick<PolicyRecord, 'change' | 'paused' | 'owner'> & {
  readonly document?: HostPolicy;
};

/** The next version of a policy after `before` (also a deletion), signed. */
export function nextVersion(
  name: string,
  before: Pick<PolicyRecord, 'version'> | undefined,
  content: Content,
  { by, at, sign }: Revising,
): PolicyRecord {
  const version = (before?.version ?? 0) + 1;
  const signed: PolicyDocument = content.document
    ? { v: 1, name, version, content: content.document }
    : { v: 1, name, version, deleted: true };
  return { v: 1, name, version, at, by, ...content, envelope: sign(signed) };
}

/** Writes a version: as the policy itself and into its history, which stays bounded. */
export function versionWrites(record: PolicyRecord): readonly Write[] {
  const value = JSON.stringify(record);
  const oldest = record.version - KEPT_VERSIONS;
  return [
    { type: 'put', key: etcdKeys.policy(record.name), value },
    { type: 'put', key: etcdKeys.historyVersion(record.name, record.version), value },
    ...(oldest > 0
      ? [{ type: 'delete' as const, key: etcdKeys.historyVersion(record.name, oldest) }]
      : []),
  ];
}

/** Takes a policy out with every version that is kept: for a name that never comes back, whose numbers need not go on. */
export function versionDeletions({ name, version }: PolicyRecord): readonly Write[] {
  const kept = Array.from({ length: Math.min(version, KEPT_VERSIONS) }, (_, age) => version - age);
  const keys = [etcdKeys.policy(name), ...kept.map((each) => etcdKeys.historyVersion(name, each))];
  return keys.map((key) => ({ type: 'delete', key }));
}

/** Holds while the policy is what was read: `undefined` means that there never was one. */
export function unchangedPolicy(
  name: string,
  before: Pick<Stored<PolicyRecord>, 'revision'> | undefined,
): Condition {
  return { key: etcdKeys.policy(name), modRevision: before?.revision ?? 0n };
}

/** The document with the annotation by which its author takes responsibility for the control path. */
export function withOverride(document: HostPolicy): HostPolicy {
  const annotations = {
    ...document.metadata.annotations,
    [annotationMarks.overrideProtection]: 'true',
  };
  return { ...document, metadata: { ...document.metadata, annotations } };
}
