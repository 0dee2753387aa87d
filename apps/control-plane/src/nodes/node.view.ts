import { Injectable } from '@nestjs/common';
import type { NodeView } from '#contracts';
import { Fleet } from '../fleet/fleet.js';
import type { FleetState } from '../fleet/fleet-state.js';
import type { Stored } from '../fleet/shelf.js';
import { notFound } from '../http/index.js';
import { StatusReader } from '../status/status-reader.js';
import type { NodeRecord } from './node.record.js';

/** Hosts as REST shows them: what etcd says and what they reported. */
@Injectable()
export class NodeViews {
  constructor(
    private readonly fleet: Fleet,
    private readonly status: StatusReader,
  ) {}

  /** Throws 404 for an unknown host. */
  of(name: string): NodeView {
    const state = this.fleet.read();
    return this.view(findNode(state, name), state);
  }

  view({ record, revision }: Stored<NodeRecord>, state: FleetState): NodeView {
    const { name, labels, enrollment, revoked } = record;
    const { report, freshness } = this.status.evidence(state, name);
    return {
      name,
      nodeId: enrollment?.nodeId,
      labels,
      groups: [...state.index.groupsOf(name)].sort(),
      revision: revision.toString(),
      phase: enrollment ? 'enrolled' : 'declared',
      connected: freshness.fresh,
      enforcer: report?.enforcer,
      policies: state.activePolicies(name).length,
      asOf: report?.asOf,
      enrolledAt: enrollment?.at,
      revoked,
      document: {
        apiVersion: 'security.kubearmor.com/v1',
        kind: 'KubeArmorVirtualMachine',
        metadata: { name, labels },
      },
    };
  }
}

/** The node, or 404. */
export function findNode(state: FleetState, name: string): Stored<NodeRecord> {
  const found = state.nodes.get(name);
  if (found) return found;
  throw notFound('node', name);
}
