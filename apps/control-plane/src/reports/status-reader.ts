import { Injectable } from '@nestjs/common';
import type { NodePolicyStatus, NodeStatus, Page, PolicyRemains, PolicyStatus } from '#contracts';
import { Clock } from '../http/clock.js';
import type { WrittenAssignment } from '../delivery/assignment-plan.js';
import { Deliveries } from '../delivery/deliveries.js';
import { Fleet } from '../store/fleet.js';
import type { FleetState } from '../store/fleet-state.js';
import { selectedNodes } from '../store/nodes-in-order.js';
import { knowsWholeFleet } from '../health/readiness.js';
import { VitalSigns } from '../health/vital-signs.js';
import { decodeCursor, encodeCursor, notFound } from '../http/index.js';
import { standingOf } from './standing.js';
import { findPolicy } from '../policies/policy.view.js';
import { freshnessOf } from './freshness.js';
import { ReportCache } from './report-cache.js';
import { nodeStatus } from './node-status.js';
import { statesOf, type PolicyNodesQuery } from './policy-nodes.query.js';
import { policyRemains } from './policy-remains.js';
import { policyStatus } from './policy-status.js';
import {
  statusOnNode,
  type Delivered,
  type Evidence,
  type Excepted,
  type WantedPolicy,
} from './report-to-status.js';
import { wantedPolicy } from './wanted-policy.js';

/** Gathers the evidence for a status: what etcd wants, what was written, what the host said. */
@Injectable()
export class StatusReader {
  constructor(
    private readonly fleet: Fleet,
    private readonly deliveries: Deliveries,
    private readonly reports: ReportCache,
    private readonly clock: Clock,
    private readonly vitals: VitalSigns,
  ) {}

  /** Costs the hosts that are selected. Throws 404 for an unknown policy. */
  policy(name: string): PolicyStatus {
    const state = this.fleet.read();
    const wanted = wantedOf(state, name);
    const { complete, halted } = this.#knowledge();
    const status = policyStatus(wanted, this.#selected(state, name), complete);
    return { ...status, halted };
  }

  /** Where a policy may remain though it is not to be there; of any name. Costs the hosts of the fleet. */
  remains(name: string): PolicyRemains {
    const state = this.fleet.read();
    const { complete, halted } = this.#knowledge();
    return { ...policyRemains(name, this.#unselected(state, name), complete), halted };
  }

  /** One page of the hosts that a policy selects, by name. Throws 404 for an unknown policy, 400 for a bad query. */
  policyNodes(name: string, query: PolicyNodesQuery): Page<NodePolicyStatus> {
    const state = this.fleet.read();
    const wanted = wantedOf(state, name);
    const after = decodeCursor(query.cursor);
    const states = statesOf(query);
    const items: NodePolicyStatus[] = [];
    let next: string | undefined;
    for (const node of namesFor(state, name, query.node, after)) {
      const line = statusOnNode(wanted, this.evidence(state, node));
      if (states?.has(line.state) === false) continue;
      const last = items.at(-1);
      if (items.length === query.limit && last !== undefined) {
        next = encodeCursor(last.node);
        break;
      }
      items.push(line);
    }
    return { items, next, revision: state.revision.toString() };
  }

  /** Evidence of the hosts that a policy selects, by name, made when it is asked for. */
  *#selected(state: FleetState, policy: string): Generator<Evidence> {
    for (const node of selectedNodes(state, policy)) yield this.evidence(state, node);
  }

  /** Evidence of the hosts in which we believe that are not to have a policy, by name. */
  *#unselected(state: FleetState, policy: string): Generator<Evidence> {
    for (const { name, record } of state.nodes.sorted())
      if (state.believed(record) && !state.isInForce(policy, name))
        yield this.evidence(state, name);
  }

  /** Whether there may be hosts or changes that we know nothing of, and why nothing is published. */
  #knowledge(): { readonly complete: boolean; readonly halted?: string } {
    const vitals = this.vitals.read();
    const { restored } = vitals;
    return { complete: knowsWholeFleet(vitals) && restored === undefined, halted: restored };
  }

  /** Throws 404 for an unknown node. */
  node(name: string): NodeStatus {
    const state = this.fleet.read();
    const stored = state.nodes.get(name);
    if (!stored) throw notFound('node', name);
    const policies = [...state.index.policiesOf(name)].sort();
    const status = nodeStatus(
      this.evidence(state, name),
      stored.record.enrollment?.nodeId,
      policies.map((policy) => wantedOf(state, policy)),
    );
    return { ...status, halted: this.vitals.read().restored };
  }

  /** What is known of a node: written, reported, and how fresh that is. */
  evidence(state: FleetState, node: string): Evidence {
    const record = state.nodes.get(node)?.record;
    const nodeId = record && state.believed(record)?.nodeId;
    const nowMs = this.clock.nowMs();
    const held = this.reports.get(nodeId);
    const written = nodeId === undefined ? undefined : this.deliveries.written(nodeId);
    return {
      node,
      delivered: written && deliveredBy(written),
      unbundled: nodeId === undefined ? undefined : this.deliveries.unbundled(nodeId, node),
      report: held?.report,
      freshness: freshnessOf(held, nowMs),
      ...(record && standingOf(record, state, nowMs)),
      excepted: exceptedOn(state, node),
      endedException: written?.wanted.bundle.exceptions.find(
        (made) => !state.isInForce(made, node),
      ),
    };
  }
}

function deliveredBy({
  assignmentVersion,
  wanted,
  bundleDigest,
  first,
}: WrittenAssignment): Delivered {
  return {
    epoch: assignmentVersion.epoch,
    generation: assignmentVersion.generation,
    bundleDigest,
    first,
    policies: wanted.bundle.policies,
    suspension: wanted.suspension,
  };
}

function wantedOf(state: FleetState, name: string): WantedPolicy {
  const { record, revision } = findPolicy(state, name);
  if (!record.document) throw notFound('policy', name);
  return wantedPolicy(record.document, {
    revision: revision.toString(),
    payload: record.envelope?.payload ?? '',
    paused: record.paused,
  });
}

/** The hosts that a policy selects and that come after a name, in order; where one is named, none but that. */
function namesFor(
  state: FleetState,
  policy: string,
  only: string | undefined,
  after = '',
): Iterable<string> {
  if (only === undefined) return selectedNodes(state, policy, after);
  return only > after && state.index.selects(policy, only) ? [only] : [];
}

/** Exceptions whose policy is in force on a node; of several from one policy the last named. */
function exceptedOn(state: FleetState, node: string): ReadonlyMap<string, Excepted> {
  if (state.exceptions.size === 0) return new Map();
  const inForce = [...state.index.policiesOf(node)].filter((made) => state.isInForce(made, node));
  const names = inForce.flatMap((made) => [...state.exceptionsBehind.of(made)]).sort();
  const holding = names.flatMap((name) => state.exceptions.get(name) ?? []);
  return new Map(holding.map(({ record: { policy, id, until } }) => [policy, { id, until }]));
}
