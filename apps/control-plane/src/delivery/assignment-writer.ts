import { compareAssignmentVersion, openBundle, RefusedError } from '#bundle';
import type { DeliveryRecord, AssignmentVersion } from '#contracts';
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
import { overlapped } from './overlapped.js';
import {
  type BundleKey,
  DeliveryConflictError,
  type Found,
  judge,
  type Verdict,
} from './conflict-resolution.js';

/** What the writer works with. */
export interface WriterParts extends SealerParts {
  readonly state: Pick<FleetState, 'revision'>;
  readonly channel: DeliveryChannel;
  readonly delivered: DeliveredState;
  readonly replicas: Pick<Replicas, 'owns'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Who is told what became of an assignment. */
export interface WriterListener {
  /** It is there now, whoever wrote it, with the bundle of this digest. */
  readonly written: (
    wanted: WantedAssignment,
    assignmentVersion: AssignmentVersion,
    bundleDigest: string,
  ) => void;
  /** Something else is there that must not stay. */
  readonly onConflict: (wanted: WantedAssignment, there: AssignmentVersion) => void;
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
    claims: ReadonlyMap<string, AssignmentVersion>,
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
    claims: ReadonlyMap<string, AssignmentVersion>,
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
      // What another one has rendered cannot be sealed here at the assignment version that it has.
      if (!before || !replicas.owns(wanted.nodeId)) return true;
      if (before.bundleDigest !== before.wanted.bundle.digest) return true;
      if (isDue(before, wanted, nowMs)) return true;
      lost.push({ wanted, assignmentVersion: before.assignmentVersion });
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
      part.map(({ wanted, assignmentVersion }, index) => {
        const there = records[index];
        // One that was there before hosts had the lost one: they would refuse it.
        const isOlder =
          there !== undefined &&
          compareAssignmentVersion(there.assignmentVersion, assignmentVersion) < 0;
        return { wanted, there: isOlder ? undefined : there };
      }),
    );
    return part.filter((_, index) => verdicts[index] !== 'valid');
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
    return parcels.filter(({ wanted, record: { assignmentVersion } }, index) => {
      const outcome = outcomes[index] ?? 'stale';
      this.parts.metrics.deliveries.inc({ outcome });
      if (outcome === 'written')
        this.listener.written(wanted, assignmentVersion, wanted.bundle.digest);
      return outcome !== 'written';
    });
  }

  /**
   * Takes the valid records as written and answers the verdict on each. Takes nothing where the channel is lost meanwhile.
   */
  async take(found: readonly Found[]): Promise<readonly Verdict[]> {
    const era = this.#era;
    const verdicts = await this.#judge(found);
    if (era !== this.#era) return verdicts;
    for (const [index, { wanted, there }] of found.entries())
      if (there && verdicts[index] === 'valid')
        this.listener.written(wanted, there.assignmentVersion, there.bundleDigest);
    return verdicts;
  }

  #judge(found: readonly Found[]): Promise<readonly Verdict[]> {
    const { trust, state, clock } = this.parts;
    const context = {
      root: trust.root,
      revision: state.revision,
      nowMs: clock.nowMs(),
      hasBundle: this.#bundleCheck(),
    };
    return Promise.all(found.map((each) => judge(each, context)));
  }

  /** Opens each bundle once for all hosts that have it: a fleet has few, and one may be large. */
  #bundleCheck(): (bundle: BundleKey) => Promise<boolean> {
    const checked = new Map<string, Promise<boolean>>();
    return (bundle) => {
      const name = `${bundle.digest} ${bundle.dataKey}`;
      const opens = checked.get(name) ?? this.#opens(bundle);
      checked.set(name, opens);
      return opens;
    };
  }

  async #opens(bundle: BundleKey): Promise<boolean> {
    const ciphertext = await this.parts.channel.bundle(bundle.digest);
    if (!ciphertext) return false;
    try {
      openBundle(ciphertext, bundle);
      return true;
    } catch (error) {
      if (error instanceof RefusedError || error instanceof SyntaxError) return false;
      throw error;
    }
  }

  /** Something else is there: taken as written where it is what is wanted, else tried again with what is known then. */
  async #settle(conflicting: readonly SealedAssignment[], era: number): Promise<void> {
    const left: InTheWay[] = [];
    for (const part of inParts(conflicting)) left.push(...(await this.#settlePart(part, era)));
    const [first] = left;
    if (!first || era !== this.#era) return;
    const nodes = left.map(({ ours: { wanted } }) => wanted.node);
    const { ours, there } = first;
    throw new DeliveryConflictError(
      nodes,
      ours.wanted.node,
      ours.record.assignmentVersion,
      there?.assignmentVersion,
    );
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
      if (verdict === 'valid') continue;
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
    const facts = {
      node: wanted.node,
      ours: record.assignmentVersion,
      there: there?.assignmentVersion,
    };
    if (verdict === 'forged' || this.#isIncredible(there?.assignmentVersion)) {
      log.warn('an assignment that nobody of ours sealed was in the way', facts);
      await channel.discard(wanted.nodeId);
    } else if (there) {
      this.listener.onConflict(wanted, there.assignmentVersion);
    }
  }

  #isIncredible(there: AssignmentVersion | undefined): boolean {
    const { state, trust, clock } = this.parts;
    const isOfNow = there?.epoch === trust.root.document.epoch;
    return isOfNow && isIncredible(there, state.revision, clock.nowMs());
  }
}

function* inParts<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += WRITES_AT_ONCE)
    yield all.slice(start, start + WRITES_AT_ONCE);
}
