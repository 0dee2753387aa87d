import { encodeEnvelope, limits } from '#bundle';
import type { AssignmentVersion } from '#contracts';
import { HostLink, MalformedValue, RedisRefused, RedisUnavailable } from '#redis';
import type { SensorState } from '#sensor';
import { errorMessage } from '../config/error-facts.js';
import { backoff } from '../health/clock.js';
import { SingleFlight } from '../health/single-flight.js';
import { Context } from '../health/context.js';
import type { Rejection } from '../reporting/node-report.js';
import { isRefusal, SensorWatch } from '../sensor/sensor-watch.js';
import { decide, type Held, type Refusal } from './decide.js';
import { ChannelKeys } from '../trust/channel-keys.js';
import { offeredRecord, type OfferedRecord } from './offered-record.js';

const RETRY_BASE_MS = 10_000;
const FELL_BACK = 'fell-back';
const RETRY_CAP_MS = 10 * 60_000;

/** Figures of the delivery since the agent started. */
export interface DeliveryCounts {
  checks: number;
  applied: number;
  older: number;
  refused: number;
  malformed: number;
}

/**
 * Brings assignments to the sensor, level-triggered: at every nudge, reconnect and interval it compares what Redis
 * holds with what the sensor has proved, and acts on the difference. It decides nothing that counts: whatever it is
 * offered, the sensor and its compiler verify.
 */
export class Courier {
  readonly counts: DeliveryCounts = { checks: 0, applied: 0, older: 0, refused: 0, malformed: 0 };
  readonly #flight = new SingleFlight(() => this.#check());
  readonly #listeners = new Set<(swapped: boolean) => void>();
  readonly #onCutShort = new Set<(inARow: number) => void>();
  #nudged: OfferedRecord | undefined;
  #refusal: Refusal | undefined;
  #rejection: Rejection | undefined;
  #isCutShort = false;
  #cutShortInARow = 0;

  constructor(
    private readonly link: HostLink,
    private readonly sensors: SensorWatch,
    private readonly channelKeys: ChannelKeys,
    private readonly around: Context,
  ) {}

  /** The last record that was not taken, until a later one is. */
  get rejection(): Rejection | undefined {
    return this.#rejection;
  }

  /** Called after each attempt to hand something over; true when it was taken. */
  onAttempt(listener: (swapped: boolean) => void): void {
    this.#listeners.add(listener);
  }

  /** Called after each check that Redis cut short, so that it is not known what is to be in force; with how many in a row. */
  onCutShort(listener: (inARow: number) => void): void {
    this.#onCutShort.add(listener);
  }

  /** A nudge came: with the record itself and its bundle where they are small, else only to look. Never rejects. */
  async nudged(record: unknown, bundle?: unknown): Promise<void> {
    if (record !== undefined) this.#noteNudge(record, bundle);
    await this.check();
  }

  /** Compares and acts. Calls while it runs are answered by one further run. Never rejects. */
  check(): Promise<void> {
    return this.#flight.run();
  }

  #noteNudge(record: unknown, bundle: unknown): void {
    try {
      this.#nudged = offeredRecord(record, bundle);
    } catch (cause) {
      this.#malformed(cause);
    }
  }

  async #check(): Promise<void> {
    this.#isCutShort = false;
    try {
      await this.#compare();
    } catch (cause) {
      this.around.log.error('a check failed in a way that nobody foresaw', { cause });
    }
    this.#cutShortInARow = this.#isCutShort ? this.#cutShortInARow + 1 : 0;
    if (this.#isCutShort) for (const tell of this.#onCutShort) tell(this.#cutShortInARow);
  }

  async #compare(): Promise<void> {
    this.counts.checks += 1;
    const state = await this.sensors.refresh();
    const offer = await this.#offer(state);
    if (offer === undefined) return;
    await this.channelKeys.learn(offer.record, offer.fingerprint, state?.highest);
    if (state === undefined) return;
    const decision = decide(offer, heldBy(state), this.#refusal, this.around.clock.elapsed());
    if (decision === 'older') this.counts.older += 1;
    if (decision === 'equal') this.#settled();
    if (decision === 'take') await this.#take(offer);
  }

  /** A nudge's record where it is newer than what is held, else what Redis holds. */
  async #offer(state: SensorState | undefined): Promise<OfferedRecord | undefined> {
    const nudged = this.#nudged;
    this.#nudged = undefined;
    if (nudged !== undefined && state !== undefined) {
      const decision = decide(nudged, heldBy(state), this.#refusal, this.around.clock.elapsed());
      if (decision === 'take') return nudged;
    }
    return this.#fetchOffer();
  }

  async #fetchOffer(): Promise<OfferedRecord | undefined> {
    try {
      const record = await this.link.fetchRecord();
      this.around.conditions.clear('redis');
      return record === undefined ? undefined : offeredRecord(record);
    } catch (cause) {
      if (cause instanceof RedisUnavailable || cause instanceof RedisRefused)
        this.#redisAway(cause);
      else this.#malformed(cause);
      return undefined;
    }
  }

  async #take(offer: OfferedRecord): Promise<void> {
    const bundle = await this.#bundleOf(offer);
    if (bundle === undefined) return;
    try {
      const state = await this.sensors.apply(encodeEnvelope(offer.record, bundle));
      if (state === undefined) return;
      if (state.outcome.ok) this.#taken(offer);
      else this.#refused(offer, state.outcome.code ?? 'failed', state.outcome.message ?? '');
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      // What it says of a suspension counts all the same, so the report that follows is to have it.
      await this.sensors.refresh();
      this.#refused(offer, cause.code, cause.message);
    }
  }

  /** A bundle that is missing or is not what its name says is Redis' fault, not the record's: asked for again. */
  async #bundleOf(offer: OfferedRecord): Promise<Uint8Array | undefined> {
    const { record, assignmentVersion } = offer;
    try {
      const bundle = offer.bundle ?? (await this.link.fetchBundle(record.bundleDigest));
      if (bundle !== undefined && bundle.byteLength <= limits.bundleBytes) return bundle;
      this.#bundleMissing(
        assignmentVersion,
        bundle === undefined ? 'it is not in Redis' : 'it is too large',
      );
    } catch (cause) {
      if (cause instanceof MalformedValue) this.#bundleMissing(assignmentVersion, cause.message);
      else this.#redisAway(cause);
    }
    return undefined;
  }

  #bundleMissing({ generation }: AssignmentVersion, problem: string): void {
    const message = `the bundle of generation ${generation} cannot be had (${problem}); the control plane writes it again by itself`;
    this.#isCutShort = true;
    this.around.conditions.raise('delivery', message);
  }

  #redisAway(cause: unknown): void {
    const problem = errorMessage(cause);
    this.#isCutShort = true;
    this.around.conditions.raise(
      'redis',
      `${problem}; policies and alerts wait, enforcement goes on`,
    );
  }

  #taken({ assignmentVersion }: OfferedRecord): void {
    this.counts.applied += 1;
    this.around.log.info('assignment taken', { ...assignmentVersion });
    this.#settled();
    for (const tell of this.#listeners) tell(true);
  }

  /** What Redis holds and what the sensor proved are the same. */
  #settled(): void {
    this.#refusal = undefined;
    this.#rejection = undefined;
    this.around.conditions.clear('delivery');
  }

  #refused({ fingerprint, assignmentVersion }: OfferedRecord, code: string, message: string): void {
    this.counts.refused += 1;
    const attempts = this.#refusal?.fingerprint === fingerprint ? this.#refusal.attempts + 1 : 1;
    const { clock } = this.around;
    // The sensor has taken of it what it takes; the rule set cut the host off once, and a newer one is waited for.
    const waitMs =
      code === FELL_BACK
        ? Infinity
        : backoff(attempts, RETRY_BASE_MS, RETRY_CAP_MS, clock.random());
    const retryAt = clock.elapsed() + waitMs;
    this.#refusal = { fingerprint, attempts, retryAt };
    this.#reject({ code, message, at: clock.now(), assignmentVersion });
  }

  #malformed(cause: unknown): void {
    this.counts.malformed += 1;
    this.#reject({
      code: 'malformed',
      message: errorMessage(cause).slice(0, 500),
      at: this.around.clock.now(),
    });
  }

  #reject(rejection: Rejection & { readonly assignmentVersion?: AssignmentVersion }): void {
    const known =
      this.#rejection?.code === rejection.code && this.#rejection.message === rejection.message;
    // Since when: said anew at each attempt it would be news in each report.
    this.#rejection = known ? { ...rejection, at: this.#rejection?.at ?? rejection.at } : rejection;
    this.around.conditions.raise(
      'delivery',
      `a record was not taken (${rejection.code}: ${rejection.message}); what is in force stays`,
    );
    // The same again is no news: a flood of bad records must not become a flood of reports.
    if (!known) for (const tell of this.#listeners) tell(false);
  }
}

function heldBy(state: SensorState): Held {
  return {
    highest: state.highest ?? state.assignmentVersion,
    inForce: state.assignmentVersion,
    fellBack: state.confirm?.state === 'fell-back',
  };
}
