import { compareOrdering } from '#bundle';
import type { DeliveryRecord, Ordering } from '#contracts';
import type { Clock } from '../clock.js';
import type { Affected } from '../fleet/affected.js';
import type { Metrics } from '../health/metrics.js';
import type { Replicas } from '../replicas/replicas.js';
import type { RestoreGuard } from '../trust/restore-guard.js';
import { isDue, isHalfOver, isIncredible, type WantedAssignment } from './assignment-plan.js';
import { AssignmentWriter } from './assignment-writer.js';
import { Awaited } from './awaited.js';
import type { Board } from './board.js';
import type { DeliveryChannel } from './delivery-channel.js';
import { Gathering } from './gathering.js';
import { Hindered } from './hindered.js';
import { Leavings } from './leavings.js';
import { OvertakenError } from './overtaken.js';
import { Retry } from './retry.js';
import { Upkeep } from './upkeep.js';
import { type AssignmentParts, WantedAssignments } from './wanted-assignments.js';

/** What the loop works with. */
export interface DeliveryParts extends AssignmentParts {
  readonly channel: DeliveryChannel;
  readonly board: Board;
  readonly replicas: Pick<Replicas, 'owns'>;
  readonly restoreGuard: Pick<RestoreGuard, 'alarm' | 'published'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Makes the host keys of hosts that have none for this epoch; they come back by the watch. */
  readonly makeHostKeys: (nodes: readonly string[]) => Promise<void>;
}

/** Records that are read at a time. */
const LOOKS_AT_ONCE = 200;
const LOOK_MS = 100;
/** Host keys that a round makes: with more than that to make, changes go between them. */
const KEYS_AT_ONCE = 1_000;
/** More than the time between two calls of `renew` in any replica, so that the owner of a host comes first. */
const OTHERS_RENEW_AFTER_MS = 60_000;

/**
 * Carries what etcd says to the hosts: changes are gathered, what differs from what was written last is sealed under
 * one signature and written. Nothing is taken off the list before it was written, so a failed round is tried again.
 * Hosts of other replicas are left to them: what is there is looked at, and written here when it is late.
 */
export class DeliveryLoop {
  readonly #dirty = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #gathering = new Gathering();
  readonly #retry = new Retry();
  readonly #awaited = new Awaited();
  readonly #hindered = new Hindered();
  /** What hosts have accepted, as they say, or what is there for them, that comes after what was written for them. */
  readonly #claims = new Map<string, Ordering>();
  /** Hosts that have said what cannot be, which is logged once of each. */
  readonly #incredible = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  /** Whether the timer is for a look only, which nothing else has to wait for. */
  #looking = false;
  #running: Promise<void> | undefined;
  #stopped = false;
  readonly #assignments: WantedAssignments;
  readonly #writer: AssignmentWriter;
  readonly #upkeep: Upkeep;
  readonly #leavings: Leavings;
  #upkeepDue = false;
  #toldToWait = false;

  constructor(private readonly parts: DeliveryParts) {
    const { channel, board, serves, log, trust } = parts;
    this.#upkeep = new Upkeep(channel, board, serves, log, trust);
    this.#leavings = new Leavings(parts);
    this.#assignments = new WantedAssignments(parts);
    this.#writer = new AssignmentWriter(parts, {
      written: (wanted, ordering, kept) => this.#written(wanted, ordering, kept),
      overtaken: (wanted, there) => this.#overtaken(wanted, there),
    });
  }

  /** Takes what a change affects. */
  mark(affected: Affected): void {
    // First: one that was made again at once is among both.
    for (const node of affected.removed) this.#assignments.forget(node);
    for (const node of affected.nodes) {
      if (this.#hasLeft(node)) continue;
      this.#assignments.changed(node);
      this.#dirty.add(node);
      this.#awaited.end(node);
      this.#hindered.end(node);
    }
    for (const nodeId of affected.gone) this.#gone.add(nodeId);
    if (affected.nodes.size + affected.gone.size === 0) return;
    this.#gathering.add();
    this.#schedule('gathered');
  }

  /** A host that is served elsewhere now: what it had here is removed. */
  #hasLeft(node: string): boolean {
    const { state, serves, board } = this.parts;
    const nodeId = state.nodes.get(node)?.record.enrollment?.nodeId;
    if (nodeId === undefined || serves(nodeId)) return false;
    if (board.get(nodeId)) this.#gone.add(nodeId);
    return true;
  }

  /** Delivers everything anew: after a start, and after the channel has lost what it held. */
  everything(): void {
    this.#writer.begin();
    // At the first contact nothing was lost: what is there is looked at as it was meant to.
    if (this.#writer.era > 1) this.#awaited.clear();
    this.#hindered.clear();
    this.#upkeep.filled();
    const { state, serves, metrics } = this.parts;
    for (const { name, record } of state.nodes.sorted())
      if (record.enrollment && serves(record.enrollment.nodeId)) this.#dirty.add(name);
    metrics.redeliveries.inc();
    this.#schedule(0);
  }

  /** Hosts that were another replica's are ours: what is there is looked at once, and written where it is not what is wanted. */
  takeOver(isTaken: (nodeId: string) => boolean): void {
    for (const { name, record } of this.parts.state.nodes.sorted()) {
      const nodeId = record.enrollment?.nodeId;
      if (nodeId === undefined || !isTaken(nodeId) || !this.parts.serves(nodeId)) continue;
      this.parts.board.remove(nodeId);
      this.#awaited.lookOnce(name);
      this.#hindered.end(name);
      this.#dirty.add(name);
    }
    this.#schedule(0);
  }

  /** Puts hosts on the list whose assignment is half over; their owner has done that before others look. */
  renew(): void {
    const { board, clock, replicas } = this.parts;
    const nowMs = clock.nowMs();
    for (const written of board.all()) {
      const { node, nodeId } = written.wanted;
      const atMs = replicas.owns(nodeId) ? nowMs : nowMs - OTHERS_RENEW_AFTER_MS;
      if (isHalfOver(written, atMs)) this.#dirty.add(node);
    }
    if (this.#dirty.size > 0) this.#schedule(0);
  }

  /** Compares soon what was written with what the channel holds, puts back what is missing, removes what nobody names. */
  lookAfter(): void {
    this.#upkeepDue = true;
    this.#schedule(0);
  }

  /**
   * A host has said what it accepted last. Where that comes after what was written for it here it would never take it, so it
   * gets something newer, unless it is there; of a host of another replica only what is there is taken over. What comes
   * after etcd itself is the restore guard's.
   */
  told(nodeId: string, seen: Ordering): void {
    const { board, state, trust, replicas, log } = this.parts;
    const written = board.get(nodeId) ?? board.lost(nodeId);
    const isOfNow = seen.epoch === trust.root.document.epoch;
    if (!written || !isOfNow || BigInt(seen.generation) > state.revision) return;
    if (compareOrdering(seen, written.ordering) <= 0) return;
    const { node } = written.wanted;
    const isOurs = replicas.owns(nodeId);
    if (!isOurs && this.#dirty.has(node)) return;
    if (this.#isIncredible(node, seen)) return;
    log.debug('a host has something later than what was written for it', { node, seen });
    board.remove(nodeId);
    if (isOurs) {
      this.#claims.set(node, seen);
      this.#awaited.lookOnce(node);
    } else this.#awaited.begin(node, 0);
    this.#hindered.end(node);
    this.#dirty.add(node);
    this.#schedule(0);
  }

  #isIncredible(node: string, seen: Ordering): boolean {
    const { state, clock, log } = this.parts;
    if (!isIncredible(seen, state.revision, clock.nowMs())) return false;
    if (!this.#incredible.has(node))
      log.warn('a host says that it has what no clock of ours can have signed', { node, seen });
    this.#incredible.add(node);
    return true;
  }

  /** Hosts that still wait for a write, or to be removed. */
  get waiting(): number {
    return this.#dirty.size + this.#gone.size + this.#leavings.size;
  }

  /** Whether assignments are on their way now. */
  get isWriting(): boolean {
    return this.#writer.isWriting;
  }

  /** Ends after the round that runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.#leavings.stop();
  }

  #schedule(delay: number | 'gathered', look = false): void {
    if (this.#stopped || this.#running) return;
    if (this.#timer !== undefined && (look || !this.#looking)) return;
    clearTimeout(this.#timer);
    this.#looking = look;
    const delayMs = delay === 'gathered' ? this.#gathering.begin() : delay;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#round().finally(() => {
        this.#running = undefined;
        this.#scheduleNext();
      });
    }, delayMs);
  }

  #scheduleNext(): void {
    if (this.#dirty.size + this.#gone.size === 0) return;
    const { delayMs } = this.#retry;
    if (delayMs > 0 || this.#gone.size > 0 || [...this.#dirty].some((node) => this.#isTime(node)))
      this.#schedule(delayMs || 'gathered');
    else this.#schedule(LOOK_MS, true);
  }

  /** Whether nobody else is to write for the host, and it need not wait for itself. */
  #isTime(node: string): boolean {
    return !this.#awaited.isWaiting(node) && !this.#hindered.isWaiting(node);
  }

  /**
   * A fleet that just became authored has policies and no author's word for any: to give that to hosts would open them
   * until the signed documents come.
   */
  get awaitsAuthors(): boolean {
    const { trust, authored, state } = this.parts;
    return trust.authored && state.policies.size > 0 && authored.heads('policy').length === 0;
  }

  async #round(): Promise<void> {
    const waits = this.awaitsAuthors;
    if (waits && !this.#toldToWait)
      this.parts.log.warn(
        'authored mode, and no policy is signed yet: hosts keep what they enforce until `hostward apply` of all of them, signed',
      );
    this.#toldToWait = waits;
    if (waits || this.parts.restoreGuard.alarm) {
      // Everybody stays on the list and is looked at again, until it is over.
      this.#retry.failed();
      return;
    }
    const end = this.parts.metrics.deliverySeconds.startTimer();
    try {
      this.#dropGone();
      try {
        await this.#deliver();
      } finally {
        // Also where nothing can be written: a full Redis has room again when something is removed.
        await this.#forgetGone();
      }
      await this.#dropUnused();
      await this.#lookAfter();
      this.#retry.succeeded();
      end();
    } catch (error) {
      this.#tellOfFailure(error);
      this.#retry.failed();
    }
  }

  #dropGone(): void {
    for (const nodeId of this.#gone) {
      this.parts.board.remove(nodeId);
      // A host that was offboarded and enrolled anew in the meantime is not gone.
      if (this.parts.serves(nodeId)) this.#gone.delete(nodeId);
    }
  }

  /** Removes what hosts that are gone have left; what cannot be removed stays on the list. */
  async #forgetGone(): Promise<void> {
    for (const nodeId of [...this.#gone]) {
      // One that came back while others were delivered to is not gone in the next round.
      if (this.parts.serves(nodeId)) continue;
      await this.#forget(nodeId);
      this.#gone.delete(nodeId);
      this.parts.board.remove(nodeId);
    }
  }

  async #forget(nodeId: string): Promise<void> {
    await this.parts.channel.forget(nodeId);
    this.#leavings.add(nodeId);
  }

  async #deliver(): Promise<void> {
    await this.#lookForOthers();
    const nodes = [...this.#dirty].filter((node) => this.#isTime(node));
    const { due, keyless, settled } = this.#sort(nodes);
    for (const node of settled) this.#settled(node);
    const mine = this.#leaveToOthers(due);
    // Sealed before anything is waited for: at the revision that it was worked out from.
    if (mine.length > 0) await this.#write(mine);
    if (keyless.length > 0) await this.#makeHostKeys(keyless.slice(0, KEYS_AT_ONCE));
  }

  /** Hosts in whose way something is wait for themselves. */
  async #write(mine: readonly WantedAssignment[]): Promise<void> {
    try {
      await this.#writer.write(mine, this.#claims);
    } catch (error) {
      if (!(error instanceof OvertakenError)) throw error;
      this.#hindered.failed(error.nodes);
      this.#tellOfFailure(error);
    }
  }

  #tellOfFailure(error: unknown): void {
    this.parts.metrics.deliveryFailures.inc();
    this.parts.log.warn('delivery failed, trying again', { error, waiting: this.waiting });
  }

  #settled(node: string): void {
    this.#dirty.delete(node);
    this.#claims.delete(node);
    this.#awaited.end(node);
    this.#hindered.end(node);
  }

  /** What is to be written here: of our own hosts, and of those whose owner is late. */
  #leaveToOthers(due: readonly WantedAssignment[]): readonly WantedAssignment[] {
    const { replicas, board, clock } = this.parts;
    const nowMs = clock.nowMs();
    let late = 0;
    const mine = due.filter((wanted) => {
      const { node, nodeId } = wanted;
      if (this.#awaited.isLate(node)) return (late += 1) > 0;
      if (replicas.owns(nodeId)) return true;
      // Two replicas notice a loss seconds apart; what the other one has written there is better than something newer.
      if (isDue(board.lost(nodeId), wanted, nowMs)) this.#awaited.begin(node);
      else this.#awaited.beginPatiently(node);
      return false;
    });
    if (late > 0)
      this.parts.log.info('hosts that another replica left waiting are written here', { late });
    return mine;
  }

  /** Looks whether others have written what they are to write, where it is time to. */
  async #lookForOthers(): Promise<void> {
    const nodes = [...this.#dirty].filter((node) => this.#awaited.isTime(node));
    const { due, keyless, settled } = this.#sort(nodes);
    for (const node of settled) this.#settled(node);
    for (const node of keyless) this.#awaited.end(node);
    for (let start = 0; start < due.length; start += LOOKS_AT_ONCE)
      await this.#lookAt(due.slice(start, start + LOOKS_AT_ONCE));
  }

  /** Takes as written what is there as it is wanted, by whomever it is rendered. */
  async #lookAt(looked: readonly WantedAssignment[]): Promise<void> {
    const { era } = this.#writer;
    const records = await this.parts.channel.records(looked.map(({ nodeId }) => nodeId));
    if (era !== this.#writer.era) return;
    const found = looked.map((wanted, index) => {
      return { wanted, there: this.#unlessClaimed(wanted, records[index]) };
    });
    const verdicts = await this.#writer.take(found);
    if (era !== this.#writer.era) return;
    for (const [index, { node }] of looked.entries()) {
      const verdict = verdicts[index];
      if (verdict !== 'same' && verdict !== 'kept') this.#awaited.missed(node);
    }
  }

  /** Undefined where the host has something later, and would not take this. */
  #unlessClaimed(
    wanted: WantedAssignment,
    there: DeliveryRecord | undefined,
  ): DeliveryRecord | undefined {
    const claim = this.#claims.get(wanted.node);
    if (!claim || !there || compareOrdering(claim, there.ordering) <= 0) return there;
    this.#outdate(wanted, there.ordering);
    return undefined;
  }

  /** What is sealed next comes after what is there: for that host alone, since whoever has its key can have sealed that. */
  #overtaken(wanted: WantedAssignment, there: Ordering): void {
    const { trust, state } = this.parts;
    const { epoch } = trust.root.document;
    // Of what this one has not read of yet nothing is known: it may be just what is wanted.
    if (BigInt(there.generation) > state.revision) return;
    this.#outdate(wanted, there);
    if (there.epoch !== epoch || BigInt(there.generation) !== state.revision) return;
    const claim = this.#claims.get(wanted.node);
    if (!claim || compareOrdering(claim, there) < 0) this.#claims.set(wanted.node, there);
  }

  /** What is there must not stay, whoever rendered it. */
  #outdate({ node }: WantedAssignment, there: Ordering): void {
    this.#assignments.outdate(node, BigInt(there.generation));
  }

  /**
   * Not before etcd was read, nor while hosts wait: the board would not name what they are to have. Where these are only such
   * as something is in the way of, what is missing is put back, and nothing is removed.
   */
  async #lookAfter(): Promise<void> {
    const hindered = this.#hindered.size;
    if (!this.#upkeepDue || this.#dirty.size > hindered || this.parts.state.revision === 0n) return;
    this.#upkeepDue = false;
    const { board, channel, log } = this.parts;
    const { missing, unnamed } = await this.#upkeep.look(hindered === 0);
    this.#writer.gone(missing.bundles);
    for (const { wanted, ordering, kept = '' } of [...board.all()]) {
      if (missing.bundles.has(wanted.bundle.digest)) {
        await this.#writer.store(wanted.bundle.digest, wanted.bundle.ciphertext);
      }
      const isBare = missing.bundles.has(kept);
      if (!isBare && !missing.nodeIds.has(wanted.nodeId)) continue;
      if (isBare) {
        this.#outdate(wanted, ordering);
        board.remove(wanted.nodeId);
      } else board.lose(wanted.nodeId);
      this.#dirty.add(wanted.node);
    }
    await channel.dropBundles([...unnamed.bundles]);
    for (const nodeId of unnamed.nodeIds) await this.#forget(nodeId);
    const counts = [missing.bundles, missing.nodeIds, unnamed.bundles, unnamed.nodeIds].map(
      ({ size }) => size,
    );
    if (counts.some((count) => count > 0)) log.info('the channel was put right', { counts });
  }

  /** Not while hosts wait: what they are to have, or still have, the board does not name. */
  async #dropUnused(): Promise<void> {
    if (this.#dirty.size > 0) return;
    const unused = this.parts.bundles.retain(this.parts.board.digests());
    this.#writer.gone(unused);
    if (unused.length > 0) await this.parts.channel.dropBundles(unused);
  }

  async #makeHostKeys(nodes: readonly string[]): Promise<void> {
    // Off the list first: the keys come back by the watch, which puts the hosts on it again.
    for (const node of nodes) this.#settled(node);
    try {
      await this.parts.makeHostKeys(nodes);
    } catch (error) {
      for (const node of nodes) this.#dirty.add(node);
      throw error;
    }
  }

  #sort(nodes: readonly string[]) {
    const nowMs = this.parts.clock.nowMs();
    const due: WantedAssignment[] = [];
    const keyless: string[] = [];
    const settled: string[] = [];
    for (const node of nodes) {
      const wanted = this.#assignments.of(node);
      if (wanted === 'keyless') keyless.push(node);
      else if (wanted && this.#isDue(wanted, nowMs)) due.push(wanted);
      else settled.push(node);
    }
    return { due, keyless, settled };
  }

  /** Also where something newer may be there: that must not stay, though what was there before is wanted again. */
  #isDue(wanted: WantedAssignment, nowMs: number): boolean {
    const { board } = this.parts;
    return board.isUnsure(wanted.nodeId) || isDue(board.get(wanted.nodeId), wanted, nowMs);
  }

  #written(wanted: WantedAssignment, ordering: Ordering, kept?: string): void {
    this.parts.board.set(wanted.nodeId, { ordering, wanted, kept });
    // The host may have changed while we wrote; then it is still due, and stays on the list.
    if (!this.#changedSince(wanted)) this.#settled(wanted.node);
  }

  #changedSince(wanted: WantedAssignment): boolean {
    const now = this.#assignments.of(wanted.node);
    if (!now || now === 'keyless') return now === 'keyless';
    return isDue(this.parts.board.get(wanted.nodeId), now, this.parts.clock.nowMs());
  }
}
