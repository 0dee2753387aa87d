import { Injectable } from '@nestjs/common';
import { etcdKeys, type Write } from '#etcd';
import { Clock, isoNow } from '../http/clock.js';
import { FleetEditor, type Override } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import type { Stored } from '../store/record-index.js';
import { type ProblemError, checkExpectation, type Expectation, conflict } from '../http/index.js';
import { formatOf } from '../http/media-type.js';
import type { LedgerChange } from '../store/ledger.js';
import { ApplyService } from '../policies/apply.service.js';
import { ended } from '../store/suspensions-of-host.js';
import { changedLabels } from './label-changes.js';
import { findNode } from '../store/find-node.js';
import type { NodeRecord } from '../records/node.record.js';
import { identityKeys } from '../trust/channel-keys.js';
import { isCutOff } from '../trust/redis-identity.js';
import type { RevocationRecord } from '../records/revocation.record.js';

/** Who writes a host, and what it is expected to be. */
export interface NodeWrite {
  readonly name: string;
  readonly by: string;
  readonly expected: Expectation;
}

/** Why an offboarded host may not come back under its old identity. */
const OFFBOARDED = 'the host was offboarded';
const NO_REASON = 'no reason was given';

/** Hosts by exact name: declared, labelled, offboarded, revoked. */
@Injectable()
export class NodeService {
  constructor(
    private readonly editor: FleetEditor,
    private readonly applying: ApplyService,
    private readonly clock: Clock,
  ) {}

  /** Declares a host or replaces its labels from one KubeArmorVirtualMachine of this name; says whether it is new. */
  async put(
    { name, by, expected }: NodeWrite,
    text: string,
    contentType: string | undefined,
  ): Promise<boolean> {
    const answer = await this.applying.apply({
      text,
      format: formatOf(contentType),
      by,
      dryRun: false,
      prune: false,
      overrideProtection: false,
      only: { kind: 'KubeArmorVirtualMachine', name },
      check: (state) => checkExpectation(expected, state.nodes.get(name)?.revision),
    });
    return answer.documents.some(({ verdict }) => verdict === 'created');
  }

  /** Sets and removes labels; its policies follow at once. */
  async label(write: NodeWrite, changes: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#update(write, 'node.labelled', (record) => {
      const labels = changedLabels(record.labels, changes);
      const same = JSON.stringify(labels) === JSON.stringify(record.labels);
      return same ? undefined : { ...record, labels };
    });
  }

  /**
   * Believes nothing of the host any more and gives it nothing; its name stays taken. Revoking it again keeps the first
   * reason. Throws 409 for a host that is declared only: it has no identity.
   */
  async revoke(write: NodeWrite, reason = NO_REASON): Promise<void> {
    await this.editor.edit((state) => {
      const stored = this.#expected(state, write);
      const { enrollment } = stored.record;
      if (!enrollment) throw notEnrolled(write.name);
      if (!state.believed(stored.record)) return undefined;
      const writes = this.#revocation(stored.record, write, reason);
      return this.#change(stored, write, 'node.revoked', writes, { reason });
    });
  }

  /** Lets a host that was cut off into Redis again before its time. Throws 409 for one that is not kept out. */
  async reinstate(write: NodeWrite): Promise<void> {
    await this.#update(write, 'node.reinstated', (record) => {
      if (!isCutOff(record, this.clock.nowMs())) throw notCutOff(write.name);
      const { cutOff: _over, ...rest } = record;
      return rest;
    });
  }

  /** Offboards the host of exactly this name; its identity is revoked, so it comes back only with new keys. */
  async delete(write: NodeWrite, override?: Override): Promise<void> {
    await this.editor.edit((state) => {
      const isUnknown = state.unreadable.has(etcdKeys.node(write.name));
      return isUnknown && !state.nodes.get(write.name)
        ? this.#unread(state, write)
        : this.#offboarding(state, write);
    }, override);
  }

  /** Nobody here knows the identity behind it, which therefore cannot be revoked. */
  #unread(state: FleetState, { name, by, expected }: NodeWrite): LedgerChange {
    const key = etcdKeys.node(name);
    const modRevision = state.revisions.get(key) ?? 0n;
    checkExpectation(expected, modRevision);
    const suspensions = ended(state, name);
    const detail = { endedSuspensions: suspensions.ids };
    return {
      if: [{ key, modRevision }, ...suspensions.if],
      then: [{ type: 'delete', key }, ...suspensions.then],
      auditLog: { by, action: 'node.offboarded', target: name, detail },
    };
  }

  #offboarding(state: FleetState, write: NodeWrite): LedgerChange {
    const stored = this.#expected(state, write);
    const keys = [etcdKeys.node(write.name), ...identityKeys(state, stored.record)];
    const deletions = keys.map((key): Write => ({ type: 'delete', key }));
    const revocation = state.believed(stored.record)
      ? this.#revocation(stored.record, write, OFFBOARDED)
      : [];
    const suspensions = ended(state, write.name);
    const then = [...deletions, ...revocation, ...suspensions.then];
    const detail = { endedSuspensions: suspensions.ids };
    const change = this.#change(stored, write, 'node.offboarded', then, detail);
    return { ...change, if: [...change.if, ...suspensions.if] };
  }

  #revocation(
    { name, enrollment }: NodeRecord,
    { by }: NodeWrite,
    reason: string,
  ): readonly Write[] {
    if (!enrollment) return [];
    const { nodeId } = enrollment;
    const record: RevocationRecord = { v: 1, nodeId, name, reason, by, at: isoNow(this.clock) };
    return [{ type: 'put', key: etcdKeys.revocation(nodeId), value: JSON.stringify(record) }];
  }

  async #update(
    write: NodeWrite,
    action: string,
    change: (record: NodeRecord) => NodeRecord | undefined,
  ): Promise<void> {
    await this.editor.edit((state) => {
      const stored = this.#expected(state, write);
      const changed = change(stored.record);
      if (!changed) return undefined;
      const record = { ...changed, at: isoNow(this.clock), by: write.by };
      const key = etcdKeys.node(write.name);
      return this.#change(stored, write, action, [
        { type: 'put', key, value: JSON.stringify(record) },
      ]);
    });
  }

  #expected(state: FleetState, { name, expected }: NodeWrite): Stored<NodeRecord> {
    const stored = findNode(state, name);
    checkExpectation(expected, stored.revision);
    return stored;
  }

  #change(
    { record, revision }: Stored<NodeRecord>,
    { name, by }: NodeWrite,
    action: string,
    then: readonly Write[],
    more: Readonly<Record<string, unknown>> = {},
  ): LedgerChange {
    const detail = { nodeId: record.enrollment?.nodeId, ...more };
    return {
      if: [{ key: etcdKeys.node(name), modRevision: revision }],
      then,
      auditLog: { by, action, target: name, detail },
    };
  }
}

function notCutOff(name: string): ProblemError {
  const remedy = `\`hostward status node ${name}\` says how it is`;
  return conflict('node', name, 'is not cut off from Redis, so there is nothing to end', remedy);
}

function notEnrolled(name: string): ProblemError {
  const remedy = `to remove it: \`hostward delete node ${name}\``;
  return conflict('node', name, 'is declared only and has no identity to revoke', remedy);
}
