import { buildCommit, type SuspensionOrder } from '#bundle';
import type { Log } from '#observability';
import type { DeliveryRecord, Ordering } from '#contracts';
import type { Clock } from '../clock.js';
import type { BundleShelf } from '../bundles/bundle-shelf.js';
import type { Affected } from '../fleet/affected.js';
import type { Trust } from '../config/trust.js';
import type { FleetState } from '../fleet/fleet-state.js';
import type { Metrics } from '../health/metrics.js';
import type { SuspensionRecord } from '../suspensions/suspension.record.js';
import type { AuthoredShelf } from '../trust/authored-shelf.js';
import type { RestoreGuard } from '../trust/restore-guard.js';
import {
  ASSIGNMENT_VALID_MS,
  isDue,
  isHalfOver,
  type WantedAssignment,
} from './assignment-plan.js';
import type { Board } from './board.js';
import type { DeliveryChannel } from './delivery-channel.js';
import { judge, type Overtaken } from './overtaken.js';
import { Retry } from './retry.js';
import { Upkeep } from './upkeep.js';

/** What the loop works with. */
export interface DeliveryParts {
  readonly state: FleetState;
  readonly channel: DeliveryChannel;
  readonly board: Board;
  readonly bundles: BundleShelf;
  readonly trust: Pick<Trust, 'root' | 'earlierRoots' | 'authored' | 'online'>;
  readonly authored: Pick<AuthoredShelf, 'heads' | 'get'>;
  readonly restoreGuard: Pick<RestoreGuard, 'alarm' | 'published'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Makes the host keys of hosts that have none for this epoch; they come back by the watch. */
  readonly makeHostKeys: (nodes: readonly string[]) => Promise<void>;
}

/** Changes of this long are one round. */
const COALESCE_MS = 20;
const WRITES_AT_ONCE = 200;

/**
 * Carries what etcd says to the hosts: changes are gathered, what differs from what was written last is sealed under
 * one signature and written. Nothing is taken off the list before it was written, so a failed round is tried again.
 */
export class DeliveryLoop {
  readonly #dirty = new Set<string>();
  readonly #gone = new Set<string>();
  /** Digests of bundles that the channel has. */
  readonly #stored = new Set<string>();
  readonly #retry = new Retry();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #issuedAt = 0;
  /** Grows when the channel has lost what it held: what was written before says nothing any more. */
  #era = 0;

  readonly #upkeep: Upkeep;
  #upkeepDue = false;
  #toldToWait = false;

  constructor(private readonly parts: DeliveryParts) {
    const { channel, board, state } = parts;
    const isKnown = (nodeId: string): boolean => state.nameOf(nodeId) !== undefined;
    this.#upkeep = new Upkeep(channel, board, isKnown);
  }

  /** Takes what a change affects. */
  mark(affected: Affected): void {
    for (const node of affected.nodes) this.#dirty.add(node);
    for (const nodeId of affected.gone) this.#gone.add(nodeId);
    this.#schedule(COALESCE_MS);
  }

  /** Delivers everything anew: after a start, and after the channel has lost what it held. */
  everything(): void {
    this.#era += 1;
    this.parts.board.clear();
    this.#stored.clear();
    this.#upkeep.filled();
    for (const { name } of this.parts.state.nodes.sorted()) this.#dirty.add(name);
    this.parts.metrics.redeliveries.inc();
    this.#schedule(0);
  }

  /** Puts hosts on the list whose assignment is half over. */
  renew(): void {
    const nowMs = this.parts.clock.nowMs();
    for (const { wanted, ...written } of this.parts.board.all()) {
      if (isHalfOver({ wanted, ...written }, nowMs)) this.#dirty.add(wanted.node);
    }
    if (this.#dirty.size > 0) this.#schedule(0);
  }

  /** Compares soon what was written with what the channel holds, puts back what is missing, removes what nobody names. */
  lookAfter(): void {
    this.#upkeepDue = true;
    this.#schedule(0);
  }

  /** Hosts that still wait for a write. */
  get waiting(): number {
    return this.#dirty.size + this.#gone.size;
  }

  /** Ends after the round that runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped || this.#timer !== undefined || this.#running) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#round().finally(() => {
        this.#running = undefined;
        if (this.waiting > 0) this.#schedule(this.#retry.delayMs || COALESCE_MS);
      });
    }, delayMs);
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
      await this.#forgetGone();
      await this.#deliver();
      await this.#lookAfter();
      this.#retry.succeeded();
      end();
    } catch (error) {
      this.parts.metrics.deliveryFailures.inc();
      this.parts.log.warn('delivery failed, trying again', { error, waiting: this.waiting });
      this.#retry.failed();
    }
  }

  async #forgetGone(): Promise<void> {
    for (const nodeId of [...this.#gone]) {
      // A host that was offboarded and enrolled anew in the meantime is not gone.
      if (this.parts.state.nameOf(nodeId) === undefined) await this.parts.channel.forget(nodeId);
      this.#gone.delete(nodeId);
      this.parts.board.remove(nodeId);
    }
  }

  async #deliver(): Promise<void> {
    const nodes = [...this.#dirty];
    const { due, keyless, settled } = this.#sort(nodes);
    for (const node of settled) this.#dirty.delete(node);
    if (keyless.length > 0) await this.#makeHostKeys(keyless);
    if (due.length > 0) await this.#write(due);
    await this.#dropUnused();
  }

  /** Not before etcd was read, nor while hosts wait: the board would not name what they are to have. */
  async #lookAfter(): Promise<void> {
    if (!this.#upkeepDue || this.waiting > 0 || this.parts.state.revision === 0n) return;
    this.#upkeepDue = false;
    const { board, channel, log } = this.parts;
    const { missing, unnamed } = await this.#upkeep.look();
    for (const digest of missing.bundles) this.#stored.delete(digest);
    for (const { wanted } of [...board.all()]) {
      if (missing.bundles.has(wanted.bundle.digest)) {
        await this.#store(wanted.bundle.digest, wanted.bundle.ciphertext);
      }
      if (!missing.nodeIds.has(wanted.nodeId)) continue;
      board.remove(wanted.nodeId);
      this.#dirty.add(wanted.node);
    }
    await channel.dropBundles([...unnamed.bundles]);
    for (const nodeId of unnamed.nodeIds) await channel.forget(nodeId);
    const counts = [missing.bundles, missing.nodeIds, unnamed.bundles, unnamed.nodeIds].map(
      ({ size }) => size,
    );
    if (counts.some((count) => count > 0)) log.info('the channel was put right', { counts });
  }

  async #dropUnused(): Promise<void> {
    const unused = this.parts.bundles.retain(this.parts.board.digests());
    for (const digest of unused) this.#stored.delete(digest);
    if (unused.length > 0) await this.parts.channel.dropBundles(unused);
  }

  async #makeHostKeys(nodes: readonly string[]): Promise<void> {
    // Off the list first: the keys come back by the watch, which puts the hosts on it again.
    for (const node of nodes) this.#dirty.delete(node);
    try {
      await this.parts.makeHostKeys(nodes);
    } catch (error) {
      for (const node of nodes) this.#dirty.add(node);
      throw error;
    }
  }

  #sort(nodes: readonly string[]) {
    const nowMs = this.parts.clock.nowMs();
    const { epoch } = this.parts.trust.root.document;
    const due: WantedAssignment[] = [];
    const keyless: string[] = [];
    const settled: string[] = [];
    for (const node of nodes) {
      const wanted = this.#wanted(node);
      if (wanted === 'keyless') keyless.push(node);
      else if (wanted && isDue(this.parts.board.get(wanted.nodeId), wanted, epoch, nowMs))
        due.push(wanted);
      else settled.push(node);
    }
    return { due, keyless, settled };
  }

  #wanted(node: string): WantedAssignment | 'keyless' | undefined {
    const { state, trust, log } = this.parts;
    const record = state.nodes.get(node)?.record;
    const enrollment = record && state.believed(record);
    if (!enrollment) return undefined;
    const key = state.hostKey(enrollment.nodeId, trust.root.document.epoch);
    if (!key) return 'keyless';
    try {
      const { nodeId } = enrollment;
      const { hostKey, sealedHostKey } = key;
      return { node, nodeId, hostKey, sealedHostKey, ...this.#content(node, nodeId) };
    } catch (error) {
      // One rule set beyond a limit must not hold up the others; its hosts keep what they have.
      log.error('a rule set cannot be bundled', { node, error });
      return undefined;
    }
  }

  /** In authored mode hosts choose by themselves, and nobody but an author may suspend them. */
  #content(
    node: string,
    nodeId: string,
  ): Pick<WantedAssignment, 'bundle' | 'suspension' | 'labels'> {
    const { state, bundles, trust, authored } = this.parts;
    if (!trust.authored)
      return {
        bundle: bundles.of(state.activePolicies(node)),
        suspension: state.suspensionOf(node),
      };
    const bundle = bundles.ofAuthored({
      policies: authored.heads('policy'),
      groups: authored.heads('group'),
      suspensions: authored.heads('suspension'),
    });
    return { bundle, labels: authored.get('labels', nodeId)?.envelope };
  }

  async #write(due: readonly WantedAssignment[]): Promise<void> {
    const records = this.#seal(due);
    const bundles = new Map(due.map(({ bundle }) => [bundle.digest, bundle.ciphertext]));
    for (const [digest, ciphertext] of bundles) await this.#store(digest, ciphertext);
    const overtaken: Overtaken[] = [];
    for (let start = 0; start < due.length; start += WRITES_AT_ONCE) {
      const part = due.slice(start, start + WRITES_AT_ONCE);
      overtaken.push(...(await this.#writePart(part, records)));
    }
    // After all others: one host that is ahead must not hold them up.
    if (overtaken.length > 0) await this.#settle(overtaken);
  }

  async #writePart(
    part: readonly WantedAssignment[],
    records: ReadonlyMap<string, DeliveryRecord>,
  ): Promise<readonly Overtaken[]> {
    const parcels = part.flatMap((wanted) => {
      const record = records.get(wanted.nodeId);
      return record ? [{ nodeId: wanted.nodeId, record, wanted }] : [];
    });
    const era = this.#era;
    const outcomes = await this.parts.channel.write(parcels);
    if (era !== this.#era) return [];
    return parcels.filter(({ wanted, record: { ordering } }, index) => {
      const outcome = outcomes[index] ?? 'stale';
      if (outcome !== 'conflict') this.parts.metrics.deliveries.inc({ outcome });
      if (outcome === 'written') this.#written(wanted, ordering);
      return outcome !== 'written';
    });
  }

  async #store(digest: string, ciphertext: Uint8Array): Promise<void> {
    if (this.#stored.has(digest)) return;
    const era = this.#era;
    await this.parts.channel.putBundle(digest, ciphertext);
    if (era === this.#era) this.#stored.add(digest);
  }

  #seal(due: readonly WantedAssignment[]): ReadonlyMap<string, DeliveryRecord> {
    const { trust, clock, state } = this.parts;
    const { root, earlierRoots, online: signer } = trust;
    const nowMs = clock.nowMs();
    this.#issuedAt = Math.max(nowMs, this.#issuedAt + 1);
    const { epoch } = root.document;
    const ordering = { epoch, generation: state.revision.toString(), issuedAt: this.#issuedAt };
    this.parts.restoreGuard.published(ordering);
    const assignments = due.map(
      ({ nodeId, bundle, hostKey, sealedHostKey, suspension, labels }) => ({
        nodeId,
        hostKey,
        sealedHostKey,
        bundleDigest: bundle.digest,
        dataKey: bundle.dataKey,
        reportEpoch: 0,
        expiresAt: this.#issuedAt + ASSIGNMENT_VALID_MS,
        ...(suspension && { suspension: orderOf(suspension) }),
        ...(labels && { labels }),
      }),
    );
    return buildCommit({ ordering, root, earlierRoots, signer, assignments }).records;
  }

  #written(wanted: WantedAssignment, ordering: Ordering): void {
    this.parts.board.set(wanted.nodeId, { ordering, wanted });
    // The host may have changed while we wrote; then it is still due, and stays on the list.
    if (!this.#changedSince(wanted)) this.#dirty.delete(wanted.node);
  }

  #changedSince(wanted: WantedAssignment): boolean {
    const now = this.#wanted(wanted.node);
    if (!now || now === 'keyless') return now === 'keyless';
    const { epoch } = this.parts.trust.root.document;
    return isDue(this.parts.board.get(wanted.nodeId), now, epoch, this.parts.clock.nowMs());
  }

  /** Something at least as new is there: taken as written where it says the same, else tried again with what is known then. */
  async #settle(overtaken: readonly Overtaken[]): Promise<void> {
    const era = this.#era;
    const records = await this.parts.channel.records(overtaken.map(({ wanted }) => wanted.nodeId));
    let left: OvertakenError | undefined;
    for (const [index, each] of overtaken.entries()) {
      if (era !== this.#era) return;
      left = (await this.#settleOne(each, records[index])) ?? left;
    }
    if (left) throw left;
  }

  async #settleOne(
    each: Overtaken,
    there: DeliveryRecord | undefined,
  ): Promise<OvertakenError | undefined> {
    const { wanted, record } = each;
    const { channel, clock, metrics, log } = this.parts;
    const verdict = judge(there, each, clock.nowMs());
    if (verdict === 'same' && there) {
      this.#written(wanted, there.ordering);
      return undefined;
    }
    const facts = { node: wanted.node, ours: record.ordering, there: there?.ordering };
    if (verdict === 'forged') {
      log.warn('an assignment that nobody of ours sealed was in the way', facts);
      await channel.discard(wanted.nodeId);
    }
    if (verdict === 'conflict') {
      metrics.deliveries.inc({ outcome: 'conflict' });
      log.error('of one generation two bundles were made: replicas differ in version', facts);
    }
    if (there && verdict !== 'forged') this.#passBy(record.ordering, there.ordering);
    return new OvertakenError(wanted.node, record.ordering, there?.ordering);
  }

  /** At the same generation a later issuedAt counts. */
  #passBy(ours: Ordering, there: Ordering): void {
    if (there.epoch === ours.epoch && there.generation === ours.generation) {
      this.#issuedAt = Math.max(this.#issuedAt, there.issuedAt);
    }
  }
}

function orderOf({ mode, until, reason }: SuspensionRecord): SuspensionOrder {
  return { mode, until: Date.parse(until), reason };
}

/** A newer assignment is there than the one we made; the round is tried again with what is known then. */
class OvertakenError extends Error {
  override readonly name = 'OvertakenError';

  constructor(node: string, ours: Ordering, there: Ordering | undefined) {
    super(
      `host ${node} has generation ${there?.generation ?? 'none'}, ours is ${ours.generation}: another replica is ` +
        'ahead, or etcd was restored without --bump-revision',
    );
  }
}
