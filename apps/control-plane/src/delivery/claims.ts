import { compareAssignmentVersion } from '#bundle';
import type { AssignmentVersion } from '#contracts';
import type { Log } from '#observability';
import type { Clock } from '../http/clock.js';
import type { Trust } from '../config/trust.js';
import type { FleetState } from '../store/fleet-state.js';
import { isIncredible, type WrittenAssignment } from './assignment-plan.js';
import type { DeliveredState } from './delivered-state.js';

/** What claims are judged by. */
export interface ClaimParts {
  readonly state: Pick<FleetState, 'revision'>;
  readonly trust: Pick<Trust, 'root'>;
  readonly delivered: DeliveredState;
  readonly clock: Clock;
  readonly log: Log;
}

/** What hosts have accepted, as they say, or what is there for them, that comes after what was written for them. */
export class Claims {
  readonly #assignmentVersions = new Map<string, AssignmentVersion>();
  /** Hosts that have said what cannot be, which is logged once of each. */
  readonly #incredible = new Set<string>();

  constructor(private readonly parts: ClaimParts) {}

  /** By names of hosts. */
  get all(): ReadonlyMap<string, AssignmentVersion> {
    return this.#assignmentVersions;
  }

  /**
   * What was written for the host, where what it says that it has comes after that. What comes after etcd itself is the
   * restore guard's, and of another epoch nobody's.
   */
  surpassed(nodeId: string, seen: AssignmentVersion): WrittenAssignment | undefined {
    const { delivered, state, trust } = this.parts;
    const written = delivered.get(nodeId) ?? delivered.lost(nodeId);
    const isOfNow = seen.epoch === trust.root.document.epoch;
    if (!written || !isOfNow || BigInt(seen.generation) > state.revision) return undefined;
    return compareAssignmentVersion(seen, written.assignmentVersion) > 0 ? written : undefined;
  }

  /** Whether no clock of ours can have signed what the host says that it has. */
  isIncredible(node: string, seen: AssignmentVersion): boolean {
    const { state, clock, log } = this.parts;
    if (!isIncredible(seen, state.revision, clock.nowMs())) return false;
    if (!this.#incredible.has(node))
      log.warn('a host says that it has what no clock of ours can have signed', { node, seen });
    this.#incredible.add(node);
    return true;
  }

  /** The host says that it has this. */
  set(node: string, seen: AssignmentVersion): void {
    this.#assignmentVersions.set(node, seen);
  }

  /**
   * This is there for the host, and in the way: what is sealed next comes after it, for that host alone, since whoever has
   * its key can have sealed that.
   */
  found(node: string, there: AssignmentVersion): void {
    const { trust, state } = this.parts;
    const { epoch } = trust.root.document;
    if (there.epoch !== epoch || BigInt(there.generation) !== state.revision) return;
    const claim = this.#assignmentVersions.get(node);
    if (!claim || compareAssignmentVersion(claim, there) < 0)
      this.#assignmentVersions.set(node, there);
  }

  /** Whether the host would not take what has this assignment version. */
  isAfter(node: string, assignmentVersion: AssignmentVersion): boolean {
    const claim = this.#assignmentVersions.get(node);
    return claim !== undefined && compareAssignmentVersion(claim, assignmentVersion) > 0;
  }

  /** Whether this, or something later, is known to be there already. */
  covers(node: string, seen: AssignmentVersion): boolean {
    const claim = this.#assignmentVersions.get(node);
    return claim !== undefined && compareAssignmentVersion(seen, claim) <= 0;
  }

  /** The host has what it is to have. */
  end(node: string): void {
    this.#assignmentVersions.delete(node);
  }
}
