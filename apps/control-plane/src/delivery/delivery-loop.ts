import { buildCommit, type Signer, type SuspensionOrder, type TrustedRoot } from '#bundle';
import type { Log } from '#observability';
import type { DeliveryRecord } from '#contracts';
import type { Clock } from '../clock.js';
import type { BundleShelf } from '../bundles/bundle-shelf.js';
import type { Affected } from '../fleet/affected.js';
import type { FleetState } from '../fleet/fleet-state.js';
import type { Metrics } from '../health/metrics.js';
import type { SuspensionRecord } from '../suspensions/suspension.record.js';
import {
  ASSIGNMENT_VALID_MS,
  isDue,
  isHalfOver,
  type WantedAssignment,
} from './assignment-plan.js';
import type { Board } from './board.js';
import type { DeliveryChannel } from './delivery-channel.js';
import { Retry } from './retry.js';

/** What the loop works with. */
export interface DeliveryParts {
  readonly state: FleetState;
  readonly channel: DeliveryChannel;
  readonly board: Board;
  readonly bundles: BundleShelf;
  readonly root: TrustedRoot;
  readonly signer: Signer;
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

  constructor(private readonly parts: DeliveryParts) {}

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

  async #round(): Promise<void> {
    const end = this.parts.metrics.deliverySeconds.startTimer();
    try {
      await this.#forgetGone();
      await this.#deliver();
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
    const { epoch } = this.parts.root.document;
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
    const { state, bundles, root, log } = this.parts;
    const record = state.nodes.get(node)?.record;
    const enrollment = record?.revoked === true ? undefined : record?.enrollment;
    if (!enrollment) return undefined;
    const key = state.hostKey(enrollment.nodeId, root.document.epoch);
    if (!key) return 'keyless';
    try {
      const bundle = bundles.of(state.activePolicies(node));
      const { nodeId } = enrollment;
      const { hostKey, sealedHostKey } = key;
      return { node, nodeId, bundle, hostKey, sealedHostKey, suspension: state.suspensionOf(node) };
    } catch (error) {
      // One rule set beyond a limit must not hold up the others; its hosts keep what they have.
      log.error('a rule set cannot be bundled', { node, error });
      return undefined;
    }
  }

  async #write(due: readonly WantedAssignment[]): Promise<void> {
    const records = this.#seal(due);
    const bundles = new Map(due.map(({ bundle }) => [bundle.digest, bundle.ciphertext]));
    for (const [digest, ciphertext] of bundles) await this.#store(digest, ciphertext);
    for (let start = 0; start < due.length; start += WRITES_AT_ONCE) {
      await this.#writePart(due.slice(start, start + WRITES_AT_ONCE), records);
    }
  }

  async #writePart(
    part: readonly WantedAssignment[],
    records: ReadonlyMap<string, DeliveryRecord>,
  ): Promise<void> {
    const parcels = part.flatMap(({ nodeId }) => {
      const record = records.get(nodeId);
      return record ? [{ nodeId, record }] : [];
    });
    const era = this.#era;
    const outcomes = await this.parts.channel.write(parcels);
    if (era !== this.#era) return;
    let overtaken: Overtaken | undefined;
    for (const [index, wanted] of part.entries()) {
      const record = records.get(wanted.nodeId);
      if (!record) continue;
      this.parts.metrics.deliveries.inc({ outcome: outcomes[index] ?? 'stale' });
      if (outcomes[index] === 'written') this.#written(wanted, record);
      else overtaken ??= { wanted, record };
    }
    if (overtaken) await this.#overtaken(overtaken);
  }

  async #store(digest: string, ciphertext: Uint8Array): Promise<void> {
    if (this.#stored.has(digest)) return;
    const era = this.#era;
    await this.parts.channel.putBundle(digest, ciphertext);
    if (era === this.#era) this.#stored.add(digest);
  }

  #seal(due: readonly WantedAssignment[]): ReadonlyMap<string, DeliveryRecord> {
    const { root, signer, clock, state } = this.parts;
    const nowMs = clock.nowMs();
    this.#issuedAt = Math.max(nowMs, this.#issuedAt + 1);
    const { epoch } = root.document;
    const ordering = { epoch, generation: state.revision.toString(), issuedAt: this.#issuedAt };
    const assignments = due.map(({ nodeId, bundle, hostKey, sealedHostKey, suspension }) => ({
      nodeId,
      hostKey: Buffer.from(hostKey, 'base64'),
      sealedHostKey,
      bundleDigest: bundle.digest,
      dataKey: bundle.dataKey,
      reportEpoch: 0,
      expiresAt: this.#issuedAt + ASSIGNMENT_VALID_MS,
      ...(suspension && { suspension: orderOf(suspension) }),
    }));
    return buildCommit({ ordering, root, signer, assignments }).records;
  }

  #written(wanted: WantedAssignment, { ordering }: DeliveryRecord): void {
    this.parts.board.set(wanted.nodeId, { ordering, wanted });
    // The host may have changed while we wrote; then it is still due, and stays on the list.
    if (!this.#changedSince(wanted)) this.#dirty.delete(wanted.node);
  }

  #changedSince(wanted: WantedAssignment): boolean {
    const now = this.#wanted(wanted.node);
    if (!now || now === 'keyless') return now === 'keyless';
    const { epoch } = this.parts.root.document;
    return isDue(this.parts.board.get(wanted.nodeId), now, epoch, this.parts.clock.nowMs());
  }

  /** Something at least as new is there: our clock went back, or another replica, or an etcd from before, is ahead. */
  async #overtaken({ wanted, record }: Overtaken): Promise<void> {
    const there = await this.parts.channel.orderingOf(wanted.nodeId);
    const ours = record.ordering;
    if (there?.epoch === ours.epoch && there.generation === ours.generation) {
      this.#issuedAt = Math.max(this.#issuedAt, there.issuedAt);
    }
    throw new OvertakenError(wanted.node, ours.generation, there?.generation ?? 'none');
  }
}

function orderOf({ mode, until, reason }: SuspensionRecord): SuspensionOrder {
  return { mode, until: Date.parse(until), reason };
}

interface Overtaken {
  readonly wanted: WantedAssignment;
  readonly record: DeliveryRecord;
}

/** A newer assignment is there than the one we made; the round is tried again with what is known then. */
class OvertakenError extends Error {
  override readonly name = 'OvertakenError';

  constructor(node: string, ours: string, there: string) {
    super(
      `host ${node} has generation ${there}, ours is ${ours}: another replica is ahead, or etcd was restored ` +
        'without --bump-revision',
    );
  }
}
