import type { AssignmentVersion } from '#contracts';
import { isDue, type WantedAssignment } from './assignment-plan.js';
import type { WriterListener } from './assignment-writer.js';
import { PeerOwnedQueue } from './peer-owned-queue.js';
import { type ClaimParts, Claims } from './claims.js';
import { RetryQueue } from './retry-queue.js';
import { type AssignmentParts, WantedAssignments } from './wanted-assignments.js';

/** What the list is worked out from. */
export type WaitingParts = AssignmentParts & ClaimParts;

/** What is to be done for hosts. */
export interface Plan {
  /** Assignments to be written, here or by another replica. */
  readonly due: readonly WantedAssignment[];
  /** Hosts that have no channel key of this epoch. */
  readonly keyless: readonly string[];
}

/** The list of hosts, by name, that may have to be written for; a host is on it until it has what it is to have. */
export class WaitingHosts implements WriterListener {
  readonly #nodes = new Set<string>();
  readonly #assignments: WantedAssignments;
  /** Those that another replica is to write for. */
  readonly peerOwned = new PeerOwnedQueue();
  /** Those that something is in the way of. */
  readonly retries = new RetryQueue();
  readonly claims: Claims;

  constructor(private readonly parts: WaitingParts) {
    this.#assignments = new WantedAssignments(parts);
    this.claims = new Claims(parts);
  }

  get size(): number {
    return this.#nodes.size;
  }

  has(node: string): boolean {
    return this.#nodes.has(node);
  }

  add(node: string): void {
    this.#nodes.add(node);
  }

  /** What the host is to have may have changed: whoever was waited for is not any more. */
  changed(node: string): void {
    this.#assignments.changed(node);
    this.#nodes.add(node);
    this.peerOwned.end(node);
    this.retries.end(node);
  }

  /** Looks once, at once, whether what the host is to have is there: it is ours to write. */
  lookOnce(node: string): void {
    this.peerOwned.lookOnce(node);
    this.retries.end(node);
    this.#nodes.add(node);
  }

  /** Looks at once whether what the host is to have is there: it is another one's to write. */
  lookFor(node: string): void {
    this.peerOwned.begin(node, 0);
    this.retries.end(node);
    this.#nodes.add(node);
  }

  /** The host is not there any more. */
  forget(node: string): void {
    this.#assignments.forget(node);
  }

  /** Why the host gets nothing new, where what it is to have cannot be bundled. */
  unbundled(node: string): string | undefined {
    return this.#assignments.unbundled(node);
  }

  /** Whether it is time for anybody. */
  get isTime(): boolean {
    return this.#nodes.values().some((node) => this.#isTime(node));
  }

  /** Whether the host has no channel key of this epoch now. */
  isKeyless(node: string): boolean {
    return this.#assignments.of(node) === 'keyless';
  }

  /** What is to be done here now. */
  planNow(): Plan {
    return this.#plan((node) => this.#isTime(node));
  }

  /** What may have been done by others: of hosts that it is time to look for. */
  planOfOthers(): Plan {
    return this.#plan((node) => this.peerOwned.isTime(node));
  }

  /** Whether nobody else is to write for the host, and it need not wait for itself. */
  #isTime(node: string): boolean {
    return !this.peerOwned.isWaiting(node) && !this.retries.isWaiting(node);
  }

  /** Hosts that have what they are to have are taken off the list. */
  #plan(isMeant: (node: string) => boolean): Plan {
    const nowMs = this.parts.clock.nowMs();
    const due: WantedAssignment[] = [];
    const keyless: string[] = [];
    for (const node of [...this.#nodes].filter(isMeant)) {
      const wanted = this.#assignments.of(node);
      if (wanted === 'keyless') keyless.push(node);
      else if (wanted && this.#isDue(wanted, nowMs)) due.push(wanted);
      else this.settled(node);
    }
    return { due, keyless };
  }

  /** Also where something newer may be there: that must not stay, though what was there before is wanted again. */
  #isDue(wanted: WantedAssignment, nowMs: number): boolean {
    const { delivered } = this.parts;
    return delivered.isUnsure(wanted.nodeId) || isDue(delivered.get(wanted.nodeId), wanted, nowMs);
  }

  /** Takes the host off the list. */
  settled(node: string): void {
    this.#nodes.delete(node);
    this.claims.end(node);
    this.peerOwned.end(node);
    this.retries.end(node);
  }

  written(
    wanted: WantedAssignment,
    assignmentVersion: AssignmentVersion,
    bundleDigest: string,
  ): void {
    const { delivered, state } = this.parts;
    // The host may have been renamed while we wrote.
    const node = state.nameOf(wanted.nodeId) ?? wanted.node;
    const present = { ...wanted, node };
    delivered.set(wanted.nodeId, { assignmentVersion, wanted: present, bundleDigest });
    // It may have changed too; then it is still due, and stays on the list.
    if (!this.#changedSince(present)) this.settled(node);
  }

  #changedSince(wanted: WantedAssignment): boolean {
    const now = this.#assignments.of(wanted.node);
    if (!now || now === 'keyless') return now === 'keyless';
    return isDue(this.parts.delivered.get(wanted.nodeId), now, this.parts.clock.nowMs());
  }

  onConflict(wanted: WantedAssignment, there: AssignmentVersion): void {
    // Of what this one has not read of yet nothing is known: it may be just what is wanted.
    if (BigInt(there.generation) > this.parts.state.revision) return;
    this.outdate(wanted, there);
    this.claims.found(wanted.node, there);
  }

  /** What is there must not stay, whoever rendered it. */
  outdate({ node }: WantedAssignment, there: AssignmentVersion): void {
    this.#assignments.outdate(node, BigInt(there.generation));
  }
}
