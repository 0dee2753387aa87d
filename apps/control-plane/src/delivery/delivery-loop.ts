import type { AssignmentVersion } from '#contracts';
import type { Clock } from '../http/clock.js';
import type { Affected } from '../store/affected.js';
import type { Metrics } from '../health/metrics.js';
import type { Replicas } from '../replicas/replicas.js';
import type { RestoreGuard } from '../trust/restore-guard.js';
import type { WantedAssignment } from './assignment-plan.js';
import { AssignmentWriter } from './assignment-writer.js';
import type { DeliveredState } from './delivered-state.js';
import type { DeliveryChannel } from './delivery-channel.js';
import { RemovedHostCollector } from './removed-host-collector.js';
import { PeerOwnedHosts } from './peer-owned-hosts.js';
import { DeliveryConflictError } from './conflict-resolution.js';
import { ReconcileLoop } from './reconcile-loop.js';
import { StaleKeyCollector } from './stale-key-collector.js';
import { WaitingHosts } from './waiting-hosts.js';
import type { AssignmentParts } from './wanted-assignments.js';

/** What the loop works with. */
export interface DeliveryParts extends AssignmentParts {
  readonly channel: DeliveryChannel;
  readonly delivered: DeliveredState;
  readonly replicas: Pick<Replicas, 'owns'>;
  readonly restoreGuard: Pick<RestoreGuard, 'alarm' | 'published'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Makes the channel keys of hosts that have none for this epoch; they come back by the watch. */
  readonly makeChannelKeys: (nodes: readonly string[]) => Promise<void>;
}

/** Channel keys that a round makes: with more than that to make, changes go between them. */
const KEYS_AT_ONCE = 1_000;

/**
 * Carries what etcd says to the hosts: changes are gathered, what differs from what was written last is sealed under
 * one signature and written. Nothing is taken off the list before it was written, so a failed round is tried again.
 * Hosts of other replicas are left to them: what is there is looked at, and written here when it is late.
 */
export class DeliveryLoop {
  readonly #waiting: WaitingHosts;
  readonly #removedHosts: RemovedHostCollector;
  readonly #writer: AssignmentWriter;
  readonly #others: PeerOwnedHosts;
  readonly #staleKeys: StaleKeyCollector;
  readonly #loop = new ReconcileLoop({ round: () => this.#round(), left: () => this.#left() });
  #toldToWait = false;

  constructor(private readonly parts: DeliveryParts) {
    this.#waiting = new WaitingHosts(parts);
    this.#removedHosts = new RemovedHostCollector(parts);
    this.#writer = new AssignmentWriter(parts, this.#waiting);
    this.#others = new PeerOwnedHosts(parts, this.#waiting, this.#writer);
    this.#staleKeys = new StaleKeyCollector(parts, this.#waiting, this.#writer, this.#removedHosts);
  }

  /** Takes what a change affects. */
  mark(affected: Affected): void {
    // First: one that was made again at once is among both.
    for (const node of affected.removed) this.#waiting.forget(node);
    for (const node of affected.nodes) if (!this.#hasLeft(node)) this.#waiting.changed(node);
    for (const nodeId of affected.gone) this.#removedHosts.add(nodeId);
    for (const nodeId of affected.moved) this.#moved(nodeId);
    if (affected.nodes.size + affected.gone.size > 0) this.#loop.gather();
  }

  /** A host that is renamed has what it had: what was written for it is known under the new name. */
  #moved(nodeId: string): void {
    const { state, serves, delivered } = this.parts;
    const name = state.nameOf(nodeId);
    if (name !== undefined && serves(nodeId)) delivered.rename(nodeId, name);
    else this.#removedHosts.add(nodeId);
  }

  /** A host that is served elsewhere now: what it had here is removed. */
  #hasLeft(node: string): boolean {
    const { state, serves, delivered } = this.parts;
    const nodeId = state.nodes.get(node)?.record.enrollment?.nodeId;
    if (nodeId === undefined || serves(nodeId)) return false;
    if (delivered.get(nodeId)) this.#removedHosts.add(nodeId);
    return true;
  }

  /** Delivers everything anew: after a start, and after the channel has lost what it held. */
  everything(): void {
    this.#writer.begin();
    // At the first contact nothing was lost: what is there is looked at as it was meant to.
    if (this.#writer.era > 1) this.#waiting.peerOwned.clear();
    this.#waiting.retries.clear();
    this.#staleKeys.filled();
    const { state, serves, metrics } = this.parts;
    for (const { name, record } of state.nodes.sorted())
      if (record.enrollment && serves(record.enrollment.nodeId)) this.#waiting.add(name);
    metrics.redeliveries.inc();
    this.#loop.begin();
  }

  /** Hosts that were another replica's are ours: what is there is looked at once, and written where it is not what is wanted. */
  takeOver(isTaken: (nodeId: string) => boolean): void {
    const { state, serves, delivered } = this.parts;
    for (const { name, record } of state.nodes.sorted()) {
      const nodeId = record.enrollment?.nodeId;
      if (nodeId === undefined || !isTaken(nodeId) || !serves(nodeId)) continue;
      // What is known to be there stays known until it was looked at: hosts go on with it.
      delivered.begin(nodeId);
      this.#waiting.lookOnce(name);
    }
    this.#loop.begin();
  }

  /** Puts hosts on the list whose assignment is half over; their owner has done that before others look. */
  renew(): void {
    this.#staleKeys.renew();
    if (this.#waiting.size > 0) this.#loop.begin();
  }

  /** Compares soon what was written with what the channel holds, puts back what is missing, removes what nobody names. */
  lookAfter(): void {
    this.#staleKeys.ask();
    this.#loop.begin();
  }

  /**
   * A host has said what it accepted last. Where that comes after what was written for it here it would never take it, so it
   * gets something newer, unless it is there; of a host of another replica only what is there is taken over.
   */
  told(nodeId: string, seen: AssignmentVersion): void {
    const { claims } = this.#waiting;
    const written = claims.surpassed(nodeId, seen);
    if (!written) return;
    const { delivered, replicas, log } = this.parts;
    const { node } = written.wanted;
    const isOurs = replicas.owns(nodeId);
    if (!isOurs && this.#waiting.has(node)) return;
    // It says so in each report until it has something newer.
    if (claims.covers(node, seen) || claims.isIncredible(node, seen)) return;
    log.debug('a host has something later than what was written for it', { node, seen });
    // What was known of it stays known until it was looked at: hosts go on with it.
    delivered.begin(nodeId);
    if (isOurs) {
      claims.set(node, seen);
      this.#waiting.lookOnce(node);
    } else this.#waiting.lookFor(node);
    this.#loop.begin();
  }

  /** Why the host gets nothing new, where what it is to have cannot be bundled. */
  unbundled(node: string): string | undefined {
    return this.#waiting.unbundled(node);
  }

  /** Hosts that still wait for a write, or to be removed. */
  get waiting(): number {
    return this.#waiting.size + this.#removedHosts.waiting;
  }

  /** Whether assignments are on their way now. */
  get isWriting(): boolean {
    return this.#writer.isWriting;
  }

  /** Ends after the round that runs. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.#removedHosts.stop();
  }

  /**
   * A fleet that just became authored has policies and no author's word for any: to give that to hosts would open them
   * until the signed documents come.
   */
  get awaitsAuthors(): boolean {
    const { trust, authored, state } = this.parts;
    return trust.authored && state.policies.size > 0 && authored.heads('policy').length === 0;
  }

  #left(): 'now' | 'later' | undefined {
    if (this.#waiting.size + this.#removedHosts.size === 0) return undefined;
    return this.#removedHosts.size > 0 || this.#waiting.isTime ? 'now' : 'later';
  }

  async #round(): Promise<boolean> {
    // Everybody stays on the list and is looked at again, until it is over.
    if (this.#isHeld()) return false;
    const end = this.parts.metrics.deliverySeconds.startTimer();
    try {
      this.#removedHosts.drop();
      try {
        await this.#deliver();
      } finally {
        // Also where nothing can be written: a full Redis has room again when something is removed.
        await this.#removedHosts.forgetAll();
      }
      await this.#staleKeys.dropUnused();
      await this.#staleKeys.putRight();
      end();
      return true;
    } catch (error) {
      this.#tellOfFailure(error);
      return false;
    }
  }

  /** Whether hosts keep what they have until somebody has acted. */
  #isHeld(): boolean {
    const waits = this.awaitsAuthors;
    if (waits && !this.#toldToWait)
      this.parts.log.warn(
        'authored mode, and no policy is signed yet: hosts keep what they enforce until `hostward apply` of all of them, signed',
      );
    this.#toldToWait = waits;
    const cannotRead = this.parts.state.unreadable.size > 0;
    return waits || cannotRead || this.parts.restoreGuard.alarm !== undefined;
  }

  async #deliver(): Promise<void> {
    await this.#others.look();
    const { due, keyless } = this.#waiting.planNow();
    const mine = this.#others.leave(due);
    // Sealed before anything is waited for: at the revision that it was worked out from.
    if (mine.length > 0) await this.#write(mine);
    // While that was written others may have made keys, which nothing tells of again: those stay on the list.
    const still = keyless.filter((node) => this.#waiting.isKeyless(node));
    if (still.length > 0) await this.#makeChannelKeys(still.slice(0, KEYS_AT_ONCE));
  }

  /** Hosts in whose way something is wait for themselves. */
  async #write(mine: readonly WantedAssignment[]): Promise<void> {
    try {
      await this.#writer.write(mine, this.#waiting.claims.all);
    } catch (error) {
      if (!(error instanceof DeliveryConflictError)) throw error;
      this.#waiting.retries.failed(error.nodes);
      this.#tellOfFailure(error);
    }
  }

  #tellOfFailure(error: unknown): void {
    this.parts.metrics.deliveryFailures.inc();
    this.parts.log.warn('delivery failed, trying again', { error, waiting: this.waiting });
  }

  async #makeChannelKeys(nodes: readonly string[]): Promise<void> {
    // Off the list first: the keys come back by the watch, which puts the hosts on it again.
    for (const node of nodes) this.#waiting.settled(node);
    try {
      await this.parts.makeChannelKeys(nodes);
    } catch (error) {
      for (const node of nodes) this.#waiting.add(node);
      throw error;
    }
  }
}
