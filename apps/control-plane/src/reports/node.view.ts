import { Injectable } from '@nestjs/common';
import type { NodeView } from '#contracts';
import { machineMarks } from '#policy-model';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import type { FleetState } from '../store/fleet-state.js';
import type { Stored } from '../store/record-index.js';
import { findNode } from '../store/find-node.js';
import { isSimulated } from './report-to-status.js';
import { StatusReader } from './status-reader.js';
import type { NodeRecord } from '../records/node.record.js';
import { standingOf, type Standing } from './standing.js';

/** Hosts as REST shows them: what etcd says and what they reported. */
@Injectable()
export class NodeViews {
  constructor(
    private readonly fleet: Fleet,
    private readonly status: StatusReader,
    private readonly clock: Clock,
  ) {}

  /** Throws 404 for an unknown host. */
  of(name: string): NodeView {
    const state = this.fleet.read();
    return this.view(findNode(state, name), state);
  }

  view({ record, revision }: Stored<NodeRecord>, state: FleetState): NodeView {
    const { name, labels, enrollment, sshHostKey } = record;
    const { report, freshness } = this.status.evidence(state, name);
    const standing = standingOf(record, state, this.clock.nowMs());
    return {
      name,
      nodeId: enrollment?.nodeId,
      labels,
      groups: [...state.index.groupsOf(name)].sort(),
      revision: revision.toString(),
      phase: phaseOf(record, standing),
      connected: freshness.fresh,
      enforcer: report?.enforcer,
      ...(isSimulated(report) && { simulated: true }),
      version: report?.versions.agent,
      rolledBack: report?.rolledBack,
      policies: state.activePolicies(name).length,
      asOf: report?.asOf,
      enrolledAt: enrollment?.at,
      redisShard: enrollment?.redisShard,
      attested: enrollment?.attested,
      ...standing,
      document: {
        apiVersion: 'security.kubearmor.com/v1',
        kind: 'KubeArmorVirtualMachine',
        metadata: {
          name,
          labels,
          ...(sshHostKey !== undefined && {
            annotations: { [machineMarks.sshHostKey]: sshHostKey },
          }),
        },
      },
    };
  }
}

function phaseOf({ enrollment }: NodeRecord, standing: Standing): NodeView['phase'] {
  if (standing.revocation) return 'revoked';
  if (standing.cutOff) return 'cut-off';
  if (standing.clone) return 'cloned';
  return enrollment ? 'enrolled' : 'declared';
}
