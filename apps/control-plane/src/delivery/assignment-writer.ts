import { compareOrdering } from '#bundle';
import type { DeliveryRecord, Ordering } from '#contracts';
import type { Log } from '#observability';
import type { Clock } from '../http/clock.js';
import type { FleetState } from '../store/fleet-state.js';
import type { Metrics } from '../health/metrics.js';
import type { Replicas } from '../replicas/replicas.js';
import { isDue, isIncredible, type WantedAssignment } from './assignment-plan.js';
import {
  AssignmentSealer,
  type OrderedAssignment,
  type SealedAssignment,
  type SealerParts,
} from './assignment-sealer.js';
import type { DeliveredState } from './delivered-state.js';
import type { DeliveryChannel } from './delivery-channel.js';
import { BundleContents } from './bundle-contents.js';
import { overlapped } from './overlapped.js';
import { readablePart } from './readable-part.js';
import { type Found, judge, DeliveryConflictError, type Verdict } from './conflict-resolution.js';

/** What the writer works with. */
export interface WriterParts extends SealerParts {
  readonly state: Pick<FleetState, 'revision' | 'unreadable'>;
  readonly channel: DeliveryChannel;
  readonly delivered: DeliveredState;
  readonly replicas: Pick<Replicas, 'owns'> & Partial<Pick<Replicas, 'givesWay'>>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Who is told what became of an assignment. */
export interface WriterListener {
  /** It is there now, by whomever it was written; `kept` is the digest of the bundle that is there in place of ours. */
  readonly written: (wanted: WantedAssignment, ordering: Ordering, kept?: string) => void;
  /** Something else is there that must not stay. */
  readonly onConflict: (wanted: WantedAssignment, there: Ordering) => void;
}

/** What was not written, and what is there instead. */
interface InTheWay {
  readonly ours: SealedAssignment;
  readonly there: DeliveryRecord | undefined;
}

const WRITES_AT_ONCE = 200;

/**
 * Seals what hosts are to have and writes it, bundles before what names them; what it finds in its place it judges. The
 * delivered state says what the channel has, also of what it lost.
 */
export class AssignmentWriter {
  /** Digests of bundles that the channel has. */
  readonly #stored = new Set<string>();
  readonly #sealer: AssignmentSealer;
  /** Grows when the channel has lost what it held: what was written before says nothing any more. */
  #era = 0;
  #isWriting = false;

  constructor(
    private readonly parts: WriterParts,
    private readonly listener: WriterListener,
  ) {
    this.#sealer = new AssignmentSealer(parts);
  }

  /** Which filling of the channel this is; 0 before the first. */
  get era(): number {
    return this.#era;
  }

  /** Whether assignments are on their way now. */
  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** The channel has lost everything, or is met for the first time. */
  begin(): void {
    this.#era += 1;
    this.#stored.clear();
    this.parts.delivered.loseAll();
  }

  /** These bundles are not there any more. */
  gone(digests: Iterable<string>): void {
    for (const digest of digests) this.#stored.delete(digest);
  }

  /**
   * Everything is sealed at the moment of the call, after what hosts claim to have by their names; throws where something was
   * not written.
   */
  async write(
    due: readonly WantedAssignment[],
    claims: ReadonlyMap<string, Ordering>,
  ): Promise<void> {
    this.#isWriting = true;
    try {
      await this.#writeAll(due, claims);
    } finally {
      this.#isWriting = false;
    }
  }

  /** Puts a bundle where it is not yet. */
  async store(digest: string, ciphertext: Uint8Array): Promise<void> {
    if (this.#stored.has(digest)) return;
    const era = this.#era;
    await this.parts.channel.putBundle(digest, ciphertext);
    if (era === this.#era) this.#stored.add(digest);
  }

  async #writeAll(
    due: readonly WantedAssignment[],
    claims: ReadonlyMap<string, Ordering>,
  ): Promise<void> {
    // Of what was sealed: what moves while it is on its way is not told by it.
    const era = this.#era;
    const [lost, anew] = this.#divide(due);
    const sealed = this.#sealer.seal(anew, claims);
    const bundles = new Map(due.map(({ bundle }) => [bundle.digest, bundle.ciphertext]));
    for (const [digest, ciphertext] of bundles) await this.store(digest, ciphertext);
    const conflicting = await overlapped(inParts(sealed), (part) => this.#writePart(part, era));
    const again = await overlapped(inParts(lost), async (part) =>
      // In parts: there may be as many signatures as hosts. To a host that has taken it, it is nothing new.
      this.#writePart(this.#sealer.sealAt(await this.#missing(part, era)), era),
    );
    conflicting.push(...again);
    // After all others: one host that is ahead must not hold them up.
    if (conflicting.length > 0) await this.#settle(conflicting, era);
  }

  /**
   * Of our own hosts what the channel has lost is written as they know it, so that they have nothing to do: no swap, no
   * confirmation. Everything else comes after what they have.
   */
  #divide(due: readonly WantedAssignment[]): readonly [OrderedAssignment[], WantedAssignment[]] {
    const { delivered, clock, replicas } = this.parts;
    const nowMs = clock.nowMs();
    const lost: OrderedAssignment[] = [];
    const anew = due.filter((wanted) => {
      const before = delivered.lost(wanted.nodeId);
      // What another one has rendered cannot be sealed here at the ordering that it has.
      if (!before || before.kept !== undefined || !replicas.owns(wanted.nodeId)) return true;
      if (isDue(before, wanted, nowMs)) return true;
      lost.push({ wanted, ordering: before.ordering });
      return false;
    });
    for (const { nodeId } of anew) delivered.begin(nodeId);
    return [lost, anew];
  }

  /** Of what was lost, what is not there: the channel may have been changed for another one that has it. */
  async #missing(
    part: readonly OrderedAssignment[],
    era: number,
  ): Promise<readonly OrderedAssignment[]> {
    if (era !== this.#era) return [];
    const records = await this.parts.channel.records(part.map(({ wanted }) => wanted.nodeId));
    if (era !== this.#era) return [];
    const verdicts = await this.take(
      part.map(({ wanted, ordering }, index) => {
        const there = records[index];
        // One that was there before hosts had the lost one: they would refuse it.
        const isOlder = there !== undefined && compareOrdering(there.ordering, ordering) < 0;
        return { wanted, there: isOlder ? undefined : there };
      }),
    );
    return part.filter((_, index) => {
      const verdict = verdicts[index];
      return verdict !== 'same' && verdict !== 'kept';
    });
  }

  async #writePart(
    part: readonly SealedAssignment[],
    era: number,
  ): Promise<readonly SealedAssignment[]> {
    if (part.length === 0 || era !== this.#era) return [];
    const parcels = part.map(({ wanted, record }) => {
      const { nodeId, bundle } = wanted;
      return { nodeId, record, bundle: bundle.ciphertext, since: wanted.since, wanted };
    });
    const outcomes = await this.parts.channel.write(parcels);
    if (era !== this.#era) return [];
    return parcels.filter(({ wanted, record: { ordering } }, index) => {
      const outcome = outcomes[index] ?? 'stale';
      if (outcome !== 'conflict') this.parts.metrics.deliveries.inc({ outcome });
      if (outcome === 'written') this.listener.written(wanted, ordering);
      return outcome !== 'written';
    });
  }

  /**
   * Takes as written what is there for hosts where it is what is wanted, be it rendered otherwise, and answers the verdict
   * on each. Nothing is taken where the channel is lost meanwhile.
   */
  async take(found: readonly Found[]): Promise<readonly Verdict[]> {
    const era = this.#era;
    const verdicts = await this.#judge(found);
    if (era !== this.#era) return verdicts;
    const kept = found.filter(({ wanted, there }, index) => {
      const verdict = verdicts[index];
      if (!there || (verdict !== 'same' && verdict !== 'kept')) return false;
      const other = verdict === 'kept' ? there.bundleDigest : undefined;
      this.listener.written(wanted, there.ordering, other);
      return verdict === 'kept';
    });
    this.#tellOfKept(kept);
    return verdicts;
  }

  #judge(found: readonly Found[]): Promise<readonly Verdict[]> {
    const { trust, state, clock, channel, replicas } = this.parts;
    const contents = new BundleContents((digest) => channel.bundle(digest));
    const { givesWay } = replicas;
    const asOf = { root: trust.root, revision: state.revision, nowMs: clock.nowMs() };
    const around = { ...asOf, contents, givesWay };
    return Promise.all(
      found.map(({ wanted, there }) =>
        judge({ wanted, there, ...(givesWay && this.#atFirstLook(wanted)) }, around),
      ),
    );
  }

  /**
   * Of a host that was not looked at since we read all of etcd, when what it is to have last changed is not known: of
   * what is gone, as a suspension that ended, nothing is left. So what can be read is compared.
   */
  #atFirstLook({ node, nodeId, bundle }: WantedAssignment): Pick<Found, 'since' | 'readable'> {
    const { delivered, state } = this.parts;
    if (delivered.get(nodeId)) return {};
    const revisions = [...bundle.policies.values()].map(({ revision }) => BigInt(revision));
    const since = revisions.reduce((newest, each) => (each > newest ? each : newest), 0n);
    return { since, readable: readablePart(state.unreadable.keys(), node) };
  }

  /** Once for all that are judged at a time; each counts. */
  #tellOfKept(kept: readonly Found[]): void {
    const [first] = kept;
    if (!first) return;
    const { metrics, log, replicas } = this.parts;
    metrics.deliveries.inc({ outcome: 'conflict' }, kept.length);
    const { wanted, there } = first;
    const digests = { ours: wanted.bundle.digest, there: there?.bundleDigest };
    log.warn(
      replicas.givesWay
        ? 'another replica can read what this one cannot: what it has written stays'
        : 'another replica renders the same documents otherwise: what was first stays, until all are of one version',
      { hosts: kept.length, node: wanted.node, ordering: there?.ordering, ...digests },
    );
  }

  /** Something else is there: taken as written where it is what is wanted, else tried again with what is known then. */
  async #settle(conflicting: readonly SealedAssignment[], era: number): Promise<void> {
    const left: InTheWay[] = [];
    for (const part of inParts(conflicting)) left.push(...(await this.#settlePart(part, era)));
    const [first] = left;
    if (!first || era !== this.#era) return;
    const nodes = left.map(({ ours: { wanted } }) => wanted.node);
    const { ours, there } = first;
    throw new DeliveryConflictError(nodes, ours.wanted.node, ours.record.ordering, there?.ordering);
  }

  /** Answers what was neither written nor taken as written. */
  async #settlePart(part: readonly SealedAssignment[], era: number): Promise<readonly InTheWay[]> {
    if (era !== this.#era) return [];
    const records = await this.parts.channel.records(part.map(({ wanted }) => wanted.nodeId));
    if (era !== this.#era) return [];
    const found = part.map(({ wanted }, index) => ({ wanted, there: records[index] }));
    const verdicts = await this.take(found);
    const left: InTheWay[] = [];
    for (const [index, ours] of part.entries()) {
      if (era !== this.#era) return [];
      const verdict = verdicts[index] ?? 'other';
      if (verdict === 'same' || verdict === 'kept') continue;
      const inTheWay = { ours, there: records[index] };
      await this.#makeRoom(inTheWay, verdict);
      left.push(inTheWay);
    }
    return left;
  }

  async #makeRoom(
    { ours: { wanted, record }, there }: InTheWay,
    verdict: 'forged' | 'other',
  ): Promise<void> {
    const { delivered, channel, log } = this.parts;
    // Whatever it is, it stands above what was lost.
    delivered.begin(wanted.nodeId);
    const facts = { node: wanted.node, ours: record.ordering, there: there?.ordering };
    if (verdict === 'forged' || this.#isIncredible(there?.ordering)) {
      log.warn('an assignment that nobody of ours sealed was in the way', facts);
      await channel.discard(wanted.nodeId);
    } else if (there) {
      this.listener.onConflict(wanted, there.ordering);
    }
  }

  #isIncredible(there: Ordering | undefined): boolean {
    const { state, trust, clock } = this.parts;
    const isOfNow = there?.epoch === trust.root.document.epoch;
    return isOfNow && isIncredible(there, state.revision, clock.nowMs());
  }
}

function* inParts<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += WRITES_AT_ONCE)
    yield all.slice(start, start + WRITES_AT_ONCE);
}
