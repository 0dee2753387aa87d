import { Injectable } from '@nestjs/common';
import { etcdKeys, type Write } from '#etcd';
import { Clock, isoNow } from '../http/clock.js';
import { FleetEditor } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import type { Stored } from '../store/record-index.js';
import { type ProblemError, checkExpectation, conflict } from '../http/index.js';
import { ended, renamed } from '../store/suspensions-of-host.js';
import { identityKeys } from '../trust/channel-keys.js';
import type { NodeRecord } from '../records/node.record.js';
import type { NodeWrite } from './node.service.js';
import { findNode } from '../store/find-node.js';
import type { RevocationRecord } from '../records/revocation.record.js';

/** Why the machine that had the name before does not come back under it. */
const REPLACED = 'another machine took its place';

/** What changes which machine a name means. */
@Injectable()
export class NodeLifeService {
  constructor(
    private readonly editor: FleetEditor,
    private readonly clock: Clock,
  ) {}

  /**
   * Gives a host another name; its identity, labels and policies stay, and the host learns nothing of it. Throws 409
   * where the name is taken.
   */
  async rename(write: NodeWrite, to: string): Promise<void> {
    await this.editor.edit((state) => {
      const { record, revision } = this.#expected(state, write);
      if (state.nodes.get(to)) throw taken(to);
      const key = etcdKeys.node(to);
      const value = JSON.stringify(this.#renamed(record, to, write.by));
      const suspensions = renamed(state, write.name, to);
      return {
        if: [
          { key: etcdKeys.node(write.name), modRevision: revision },
          { key, modRevision: 0n },
          ...suspensions.if,
        ],
        then: [
          { type: 'delete', key: etcdKeys.node(write.name) },
          { type: 'put', key, value },
          ...suspensions.then,
        ],
        auditLog: {
          by: write.by,
          action: 'node.renamed',
          target: write.name,
          detail: { nodeId: record.enrollment?.nodeId, to },
        },
      };
    });
  }

  /**
   * Ends the identity of the machine that has the name, and keeps name and labels for the one that enrols next. Throws
   * 409 where no machine has it.
   */
  async replace(write: NodeWrite): Promise<void> {
    await this.editor.edit((state) => {
      const { record, revision } = this.#expected(state, write);
      const { enrollment, name, labels } = record;
      if (!enrollment) throw nothingToReplace(name);
      const at = isoNow(this.clock);
      const declared: NodeRecord = { v: 1, name, labels, at, by: write.by };
      const keys = identityKeys(state, record).map((key): Write => ({ type: 'delete', key }));
      const suspensions = ended(state, name);
      return {
        if: [{ key: etcdKeys.node(name), modRevision: revision }, ...suspensions.if],
        then: [
          { type: 'put', key: etcdKeys.node(name), value: JSON.stringify(declared) },
          ...keys,
          ...(state.believed(record) ? [revocation(enrollment.nodeId, write, at)] : []),
          ...suspensions.then,
        ],
        auditLog: {
          by: write.by,
          action: 'node.replaced',
          target: name,
          detail: { nodeId: enrollment.nodeId, endedSuspensions: suspensions.ids },
        },
      };
    });
  }

  #expected(state: FleetState, { name, expected }: NodeWrite): Stored<NodeRecord> {
    const stored = findNode(state, name);
    checkExpectation(expected, stored.revision);
    return stored;
  }

  #renamed(record: NodeRecord, to: string, by: string): NodeRecord {
    const { enrollment, name } = record;
    const enrolledAs = enrollment?.enrolledAs ?? name;
    return {
      ...record,
      name: to,
      at: isoNow(this.clock),
      by,
      ...(enrollment && { enrollment: { ...enrollment, enrolledAs } }),
    };
  }
}

function revocation(nodeId: string, { name, by }: NodeWrite, at: string): Write {
  const record: RevocationRecord = { v: 1, nodeId, name, reason: REPLACED, by, at };
  return { type: 'put', key: etcdKeys.revocation(nodeId), value: JSON.stringify(record) };
}

function taken(name: string): ProblemError {
  const remedy = `choose another one, or offboard that host first (hostward delete node ${name})`;
  return conflict('to', name, 'is taken by another host', remedy);
}

function nothingToReplace(name: string): ProblemError {
  const remedy = 'let one in: `hostward create join-token`';
  return conflict('node', name, 'has no machine that could be replaced', remedy);
}
