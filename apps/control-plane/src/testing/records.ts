import { etcdKeys, type KeyValue, type WatchMessage, type WatchSnapshot } from '#etcd';
import { generateSigningKey, loadSigner, signPolicy, type PolicyDocument } from '#bundle';
import type { HostPolicy } from '#policy-model';
import type { GroupRecord } from '../records/group.record.js';
import { encodeChannelKey } from '../records/channel-key.record.js';
import { KeyEncryptionKeys } from '../records/key-encryption-keys.js';
import type { NodeRecord } from '../records/node.record.js';
import type { ExceptionRecord } from '../records/exception.record.js';
import type { PolicyRecord } from '../records/policy.record.js';
import type { SuspensionRecord } from '../records/suspension.record.js';

/** Builders of stored records for tests that need no etcd. */
export const AT = '2026-03-01T12:00:00.000Z';
const online = loadSigner(generateSigningKey().privateKey);
export const sign = (document: PolicyDocument) => signPolicy(document, online);

export function hostPolicy(
  name: string,
  labels: Record<string, string>,
  path = '/usr/bin/nc',
): HostPolicy {
  return {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name },
    spec: {
      nodeSelector: { matchLabels: labels },
      process: { matchPaths: [{ path }] },
      action: 'Block',
    },
  };
}

export function policyRecord(document: HostPolicy, over: Partial<PolicyRecord> = {}): PolicyRecord {
  const { name } = document.metadata;
  const envelope = sign({ v: 1, name, version: over.version ?? 1, content: document });
  return {
    v: 1,
    name,
    version: 1,
    change: 'created',
    paused: false,
    at: AT,
    by: 'test',
    document,
    envelope,
    ...over,
  };
}

export function nodeRecord(
  name: string,
  labels: Record<string, string>,
  nodeId?: string,
): NodeRecord {
  const key = `${'A'.repeat(43)}=`;
  const enrollment =
    nodeId === undefined
      ? undefined
      : {
          nodeId,
          hostname: name,
          signingKey: key,
          sealingKey: key,
          redisSecret: { hash: 'ab'.repeat(32) },
          joinToken: 't',
          at: AT,
        };
  return { v: 1, name, labels, at: AT, by: 'test', enrollment };
}

export function groupRecord(name: string, labels: Record<string, string>): GroupRecord {
  const document = {
    apiVersion: 'hostward.io/v1',
    kind: 'Group',
    metadata: { name },
    spec: { selector: { matchLabels: labels } },
  } as const;
  return { v: 1, name, at: AT, by: 'test', document };
}

export function suspensionRecord(id: string, over: Partial<SuspensionRecord>): SuspensionRecord {
  return {
    v: 1,
    id,
    target: { all: true },
    mode: 'audit',
    until: AT,
    reason: 'test',
    by: 'test',
    at: AT,
    ...over,
  };
}

/** As if the policy had been made for the exception from it. */
function exceptionRecord(policy: string, id: string): ExceptionRecord {
  const madePolicy = policy;
  const rest = { selector: 'env=prod', until: AT, reason: 'test', by: 'test', at: AT };
  return { v: 1, id, policy, madePolicy, ...rest };
}

/** Under these channel keys of the builders lie. */
export const testKeks = new KeyEncryptionKeys([Buffer.alloc(32, 5)]);

export const put = (key: string, value: unknown) => ({ key, value });
export const putPolicy = (record: PolicyRecord) => put(etcdKeys.policy(record.name), record);
export const putNode = (record: NodeRecord) => put(etcdKeys.node(record.name), record);
export const putGroup = (record: GroupRecord) => put(etcdKeys.group(record.name), record);
export const putSuspension = (record: SuspensionRecord) =>
  put(etcdKeys.suspension(record.id), record);
export const putException = (policy: string, id: string) =>
  put(etcdKeys.exception(policy, id), exceptionRecord(policy, id));
export const putRevocation = (name: string, nodeId: string) =>
  put(etcdKeys.revocation(nodeId), { v: 1, nodeId, name, reason: 'stolen', by: 'test', at: AT });
export const putChannelKey = (nodeId: string, epoch = '1') =>
  put(
    etcdKeys.key(nodeId, `epoch-${epoch}`),
    encodeChannelKey(
      Buffer.alloc(32, 6 + Number(epoch)),
      { nodeId, epoch },
      Buffer.alloc(80, 7).toString('base64'),
      testKeks,
    ),
  );

interface Put {
  readonly key: string;
  readonly value: unknown;
}

export function snapshot(revision: bigint, ...puts: readonly Put[]): WatchSnapshot {
  const items = puts.map(({ key, value }): KeyValue => ({
    key,
    value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    createRevision: revision,
    modRevision: revision,
    version: 1n,
  }));
  return { type: 'snapshot', revision, items, isOtherHistory: false };
}

export function changes(
  revision: bigint,
  puts: readonly Put[],
  deletes: readonly string[] = [],
): WatchMessage {
  const about = { modRevision: revision, createRevision: revision, version: 1n };
  return {
    type: 'changes',
    revision,
    changes: [
      ...puts.map(({ key, value }) => ({
        type: 'put' as const,
        key,
        value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
        ...about,
      })),
      ...deletes.map((key) => ({ type: 'delete' as const, key, ...about })),
    ],
  };
}
