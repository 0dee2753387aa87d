import { etcdKeys, type WatchMessage, type WatchSnapshot } from '#etcd';
import { TargetIndex, type LabelSelector, type RuleSet } from '#policy-model';
import { decodeException, type ExceptionRecord } from '../records/exception.record.js';
import { decodeGroup, type GroupRecord } from '../records/group.record.js';
import {
  decodeChannelKey,
  channelKeyPurpose,
  type ChannelKeyRecord,
} from '../records/channel-key.record.js';
import type { KeyEncryptionKeys } from '../records/key-encryption-keys.js';
import { decodeNode, type Enrollment, type NodeRecord } from '../records/node.record.js';
import { decodeRevocation, type RevocationRecord } from '../records/revocation.record.js';
import { decodePolicy, type PolicyRecord } from '../records/policy.record.js';
import { decodeRedirect, redirectId, type RedirectRecord } from '../records/redirect.record.js';
import { strongestOf, suspensionSelector } from '../records/active-suspension.js';
import { decodeSuspension, type SuspensionRecord } from '../records/suspension.record.js';
import { Affected } from './affected.js';
import { parseFleetKey } from './fleet-key.js';
import { RecordIndex, type Stored } from './record-index.js';

interface Put {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: bigint;
}

/** A policy in force: its signed envelope goes into bundles, its document into previews. */
export type ActivePolicy = Stored<PolicyRecord> & {
  readonly record: Required<Pick<PolicyRecord, 'document' | 'envelope'>>;
};

/**
 * The fleet as etcd had it at `revision`: nothing here comes from anywhere else, so any replica that has read the same
 * revision holds the same. Not safe to change while a reader iterates; everything runs in one thread.
 */
export class FleetState {
  readonly policies = new RecordIndex<PolicyRecord>();
  /** Deletions: a policy of that name that comes back goes on with its version numbers. */
  readonly deletedPolicies = new RecordIndex<PolicyRecord>();
  readonly groups = new RecordIndex<GroupRecord>();
  readonly nodes = new RecordIndex<NodeRecord>();
  /** Names of hosts of which something ends by itself as time goes on. */
  readonly passing = this.nodes.findBy(passingOf);
  /** Names of the hosts on each Redis but the main one. */
  readonly onFurtherRedis = this.nodes.findBy(({ enrollment }) =>
    enrollment?.redisShard === undefined ? [] : [enrollment.redisShard],
  );
  readonly suspensions = new RecordIndex<SuspensionRecord>();
  readonly exceptions = new RecordIndex<ExceptionRecord>();
  /** Names of the exceptions for which a policy was made. */
  readonly exceptionsBehind = this.exceptions.findBy(({ madePolicy }) => [madePolicy]);
  /** By the time, in ms since 1970, at which they were signed. */
  readonly redirects = new RecordIndex<RedirectRecord>();
  /** By node id; an identity in here is nobody's any more. */
  readonly #revocations = new RecordIndex<RevocationRecord>();
  readonly index = new TargetIndex();
  /** Keys whose value could not be read, with the reason; what was known before stays in force. */
  readonly unreadable = new Map<string, string>();
  readonly #nodeNames = new Map<string, string>();
  /** By epoch and node id. */
  readonly #channelKeys = new Map<string, Map<string, ChannelKeyRecord>>();
  /** Of each key, also of those that cannot be read: when it was last written. */
  readonly revisions = new Map<string, bigint>();
  #revision = 0n;
  #taken = 0;

  /** With the keys that open channel keys: each is opened once, when it is read. Without them it holds none. */
  constructor(private readonly keks?: KeyEncryptionKeys) {}

  get revision(): bigint {
    return this.#revision;
  }

  /** How many messages it has taken: a restored etcd may come twice to one revision, with other content. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes one message of the watch; answers what it affects. */
  apply(message: WatchMessage): Affected {
    const affected = new Affected();
    if (message.type === 'snapshot') this.#replace(message, affected);
    else {
      for (const change of message.changes) {
        if (change.type === 'delete') this.#delete(change.key, affected);
        else if (change.value) {
          this.#put(
            { key: change.key, value: change.value, revision: change.modRevision },
            affected,
          );
        }
      }
    }
    this.#revision = message.revision;
    this.#taken += 1;
    this.#keepMoved(affected);
    return affected;
  }

  /** The selectors of all groups, by name. */
  groupSelectors(): ReadonlyMap<string, LabelSelector> {
    return new Map(
      this.groups.sorted().map(({ name, record }) => [name, record.document.spec.selector]),
    );
  }

  /** Policies that select a node and are not paused, in canonical order. */
  activePolicies(node: string): readonly ActivePolicy[] {
    return [...this.index.policiesOf(node)].sort().flatMap((name) => {
      const stored = this.policies.get(name);
      return stored && isActive(stored) ? [stored] : [];
    });
  }

  /** Whether a policy selects a node and is not paused. */
  isInForce(policy: string, node: string): boolean {
    const stored = this.policies.get(policy);
    return stored !== undefined && isActive(stored) && this.index.selects(policy, node);
  }

  /** The same as a rule set of #policy-model. */
  ruleSetOf(node: string): RuleSet {
    return {
      policies: this.activePolicies(node).map(({ record, revision }) => ({
        document: record.document,
        revision: revision.toString(),
      })),
    };
  }

  /** The suspension that holds for a node now, if any. */
  suspensionOf(node: string): SuspensionRecord | undefined {
    const holding = [...this.index.suspensionsOf(node)];
    return strongestOf(holding.flatMap((id) => this.suspensions.get(id)?.record ?? []));
  }

  /** Node ids of those of these hosts that are enrolled. */
  nodeIdsOf(names: Iterable<string>): readonly string[] {
    return [...names].flatMap((name) => this.nodes.get(name)?.record.enrollment?.nodeId ?? []);
  }

  /** Name of the node with this id; undefined for unknown and revoked ones. */
  nameOf(nodeId: string): string | undefined {
    return this.#nodeNames.get(nodeId);
  }

  /** Why an identity counts no more; undefined where it does, or never did. */
  revocationOf(nodeId: string | undefined): RevocationRecord | undefined {
    return nodeId === undefined ? undefined : this.#revocations.get(nodeId)?.record;
  }

  /** The identity under which a node is served and believed; undefined for declared and revoked ones. */
  believed({ enrollment }: NodeRecord): Enrollment | undefined {
    return this.revocationOf(enrollment?.nodeId) ? undefined : enrollment;
  }

  channelKey(nodeId: string, epoch: string): ChannelKeyRecord | undefined {
    return this.#channelKeys.get(epoch)?.get(nodeId);
  }

  /** Channel keys that lie in etcd under another key than this one, each with the revision at which it was read. */
  channelKeysNotUnder(kek: string): readonly (ChannelKeyRecord & { readonly revision: bigint })[] {
    return [...this.#channelKeys.values()]
      .flatMap((keys) => [...keys.values()])
      .filter((record) => record.kek !== kek)
      .map((record) => ({ ...record, revision: this.#revisionOf(record) }));
  }

  /** Epochs for which there is a channel key of this node. */
  epochsOf(nodeId: string): readonly string[] {
    return [...this.#channelKeys.keys()].filter((epoch) => this.channelKey(nodeId, epoch));
  }
  #revisionOf({ nodeId, epoch }: ChannelKeyRecord): bigint {
    return this.revisions.get(etcdKeys.key(nodeId, channelKeyPurpose(epoch))) ?? 0n;
  }

  #replace({ items, isOtherHistory }: WatchSnapshot, affected: Affected): void {
    const present = new Set(items.map(({ key }) => key));
    for (const key of [...this.revisions.keys()]) {
      if (!present.has(key)) this.#delete(key, affected);
    }
    for (const { key, value, modRevision } of items) {
      if (isOtherHistory || this.revisions.get(key) !== modRevision)
        this.#put({ key, value, revision: modRevision }, affected);
    }
  }

  #put(put: Put, affected: Affected): void {
    const parsed = parseFleetKey(put.key);
    if (parsed.kind === 'other') return;
    this.revisions.set(put.key, put.revision);
    try {
      if (parsed.kind === 'channelKey') this.#putChannelKey(put, affected);
      else this.#putNamed(parsed.kind, parsed.name, put, affected);
      this.unreadable.delete(put.key);
    } catch (error) {
      // Keeping what is in force fails towards enforcing; the key is named by /readyz.
      this.unreadable.set(put.key, String(error));
    }
  }

  #putNamed(kind: NamedKind, name: string, { value, revision }: Put, affected: Affected): void {
    switch (kind) {
      case 'policy':
        return this.#setPolicy(name, { record: decodePolicy(value), revision }, affected);
      case 'group':
        return this.#setGroup(name, { record: decodeGroup(value), revision }, affected);
      case 'node':
        return this.#setNode(name, { record: decodeNode(value), revision }, affected);
      case 'suspension':
        return this.#setSuspension(name, { record: decodeSuspension(value), revision }, affected);
      case 'exception':
        return this.exceptions.set(name, { record: decodeException(value), revision });
      case 'redirect':
        return this.redirects.set(redirectId(name), { record: decodeRedirect(value), revision });
      case 'revocation':
        return this.#setRevocation(name, { record: decodeRevocation(value), revision }, affected);
    }
  }

  #delete(key: string, affected: Affected): void {
    const parsed = parseFleetKey(key);
    this.revisions.delete(key);
    this.unreadable.delete(key);
    switch (parsed.kind) {
      case 'policy':
        this.deletedPolicies.delete(parsed.name);
        return this.#dropPolicy(parsed.name, affected);
      case 'group':
        return this.#dropGroup(parsed.name, affected);
      case 'node':
        return this.#dropNode(parsed.name, affected);
      case 'suspension':
        return this.#dropSuspension(parsed.name, affected);
      case 'exception':
        this.exceptions.delete(parsed.name);
        return;
      case 'redirect':
        this.redirects.delete(parsed.name);
        return;
      case 'revocation':
        // Nothing of ours removes one, so whoever did must not have let a host in by it.
        return;
      case 'channelKey':
        return this.#dropChannelKey(key, affected);
      case 'other':
        return;
    }
  }

  #setPolicy(name: string, stored: Stored<PolicyRecord>, affected: Affected): void {
    const { document } = stored.record;
    if (!document) {
      this.deletedPolicies.set(name, stored);
      return this.#dropPolicy(name, affected);
    }
    this.deletedPolicies.delete(name);
    this.policies.set(name, stored);
    affected.add(this.index.setPolicy(name, document.spec.nodeSelector));
  }

  #dropPolicy(name: string, affected: Affected): void {
    if (this.policies.delete(name)) affected.add(this.index.removePolicy(name));
  }

  #setGroup(name: string, stored: Stored<GroupRecord>, affected: Affected): void {
    this.groups.set(name, stored);
    const before = this.index.membersOf(name);
    affected.add(this.index.setGroup(name, stored.record.document.spec.selector));
    affected.show(before.symmetricDifference(this.index.membersOf(name)));
  }

  #setNode(name: string, stored: Stored<NodeRecord>, affected: Affected): void {
    const before = this.nodes.get(name)?.record;
    this.nodes.set(name, stored);
    affected.add(this.index.setNode({ name, labels: stored.record.labels }));
    // Its identity may be another one, which the index does not know.
    affected.nodes.add(name);
    const id = this.believed(stored.record)?.nodeId;
    const idBefore = before?.enrollment?.nodeId;
    if (idBefore !== id) this.#forgetUnder(name, idBefore, affected);
    if (id === undefined) return;
    if ((this.#nodeNames.get(id) ?? name) !== name) affected.moved.add(id);
    this.#nodeNames.set(id, name);
  }

  #dropNode(name: string, affected: Affected): void {
    const stored = this.nodes.delete(name);
    this.index.removeNode(name);
    affected.nodes.delete(name);
    affected.removed.add(name);
    this.#forgetUnder(name, stored?.record.enrollment?.nodeId, affected);
  }

  /** Unless it has another name by now: a snapshot has names in their order, and that one may have been read before. */
  #forgetUnder(name: string, nodeId: string | undefined, affected: Affected): void {
    if (nodeId === undefined) return;
    if ((this.#nodeNames.get(nodeId) ?? name) === name) this.#forget(nodeId, affected);
  }

  #forget(nodeId: string, affected: Affected): void {
    this.#nodeNames.delete(nodeId);
    affected.gone.add(nodeId);
  }

  /** A host that is renamed leaves one name before it has the other: it is not gone. */
  #keepMoved({ gone, moved }: Affected): void {
    for (const nodeId of gone) {
      if (!this.#nodeNames.has(nodeId)) continue;
      gone.delete(nodeId);
      moved.add(nodeId);
    }
  }

  #setRevocation(nodeId: string, stored: Stored<RevocationRecord>, affected: Affected): void {
    this.#revocations.set(nodeId, stored);
    const node = this.#nodeNames.get(nodeId);
    if (node !== undefined) affected.shown.add(node);
    this.#forget(nodeId, affected);
  }

  #setSuspension(name: string, stored: Stored<SuspensionRecord>, affected: Affected): void {
    this.suspensions.set(name, stored);
    affected.add(this.index.setSuspension(name, suspensionSelector(stored.record)));
  }

  #dropSuspension(name: string, affected: Affected): void {
    this.suspensions.delete(name);
    affected.add(this.index.removeSuspension(name));
  }

  #dropGroup(name: string, affected: Affected): void {
    this.groups.delete(name);
    affected.show(this.index.membersOf(name));
    affected.add(this.index.removeGroup(name));
  }

  #putChannelKey({ value }: Put, affected: Affected): void {
    if (!this.keks) return;
    const record = decodeChannelKey(value, this.keks);
    const keys = this.#channelKeys.get(record.epoch) ?? new Map<string, ChannelKeyRecord>();
    this.#channelKeys.set(record.epoch, keys.set(record.nodeId, record));
    const node = this.#nodeNames.get(record.nodeId);
    if (node !== undefined) affected.nodes.add(node);
  }

  /** Whoever it was of is to be given another one. */
  #dropChannelKey(key: string, affected: Affected): void {
    const { nodeId, epoch } = channelKeyOf(key);
    const keys = this.#channelKeys.get(epoch);
    keys?.delete(nodeId);
    if (keys?.size === 0) this.#channelKeys.delete(epoch);
    const node = this.#nodeNames.get(nodeId);
    if (node !== undefined) affected.nodes.add(node);
  }
}

type NamedKind =
  'policy' | 'group' | 'node' | 'suspension' | 'exception' | 'revocation' | 'redirect';

/** A copy of an identity ends when it is silent. */
function passingOf({ clone }: NodeRecord): readonly 'clone'[] {
  return clone ? ['clone'] : [];
}

function isActive(stored: Stored<PolicyRecord>): stored is ActivePolicy {
  return (
    stored.record.document !== undefined &&
    stored.record.envelope !== undefined &&
    !stored.record.paused
  );
}

function channelKeyOf(key: string): { readonly nodeId: string; readonly epoch: string } {
  const [nodeId = '', purpose = ''] = key.split('/').slice(-2);
  return { nodeId, epoch: purpose.replace(/^epoch-/, '') };
}
