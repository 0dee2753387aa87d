import { compareOrdering } from '#bundle';
import type { Ordering } from '#contracts';
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
  readonly #orderings = new Map<string, Ordering>();
  /** Hosts that have said what cannot be, which is logged once of each. */
  readonly #incredible = new Set<string>();

  constructor(private readonly parts: ClaimParts) {}

  /** By names of hosts. */
  get all(): ReadonlyMap<string, Ordering> {
    return this.#orderings;
  }

  /**
   * What was written for the host, where what it says that it has comes after that. What comes after etcd itself is the
   * restore guard's, and of another epoch nobody's.
   */
  surpassed(nodeId: string, seen: Ordering): WrittenAssignment | undefined {
    const { delivered, state, trust } = this.parts;
    const written = delivered.get(nodeId) ?? delivered.lost(nodeId);
    const isOfNow = seen.epoch === trust.root.document.epoch;
    if (!written || !isOfNow || BigInt(seen.generation) > state.revision) return undefined;
    return compareOrdering(seen, written.ordering) > 0 ? written : undefined;
  }

  /** Whether no clock of ours can have signed what the host says that it has. */
  isIncredible(node: string, seen: Ordering): boolean {
    const { state, clock, log } = this.parts;
    if (!isIncredible(seen, state.revision, clock.nowMs())) return false;
    if (!this.#incredible.has(node))
      log.warn('a host says that it has what no clock of ours can have signed', { node, seen });
    this.#incredible.add(node);
    return true;
  }

  /** The host says that it has this. */
  set(node: string, seen: Ordering): void {
    this.#orderings.set(node, seen);
  }

  /**
   * This is there for the host, and in the way: what is sealed next comes after it, for that host alone, since whoever has
   * its key can have sealed that.
   */
  found(node: string, there: Ordering): void {
    const { trust, state } = this.parts;
    const { epoch } = trust.root.document;
    if (there.epoch !== epoch || BigInt(there.generation) !== state.revision) return;
    const claim = this.#orderings.get(node);
    if (!claim || compareOrdering(claim, there) < 0) this.#orderings.set(node, there);
  }

  /** Whether the host would not take what has this ordering. */
  isAfter(node: string, ordering: Ordering): boolean {
    const claim = this.#orderings.get(node);
    return claim !== undefined && compareOrdering(claim, ordering) > 0;
  }

  /** Whether this, or something later, is known to be there already. */
  covers(node: string, seen: Ordering): boolean {
    const claim = this.#orderings.get(node);
    return claim !== undefined && compareOrdering(seen, claim) <= 0;
  }

  /** The host has what it is to have. */
  end(node: string): void {
    this.#orderings.delete(node);
  }
}
