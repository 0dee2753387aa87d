import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  checkRedirect,
  followRoots,
  RefusedError,
  verifyAssignment,
  verifyRedirect,
  type ControlPlaneAddress,
  type TrustedRoot,
  type VerifiedRedirect,
} from '#bundle';
import type { RedirectOffer, RedirectReport } from '#contracts';
import type { HostLink } from '#redis';
import type { SensorState } from '#sensor';
import { writeFileAtomic } from '../config/atomic-file.js';
import type { EnrolledHost } from '../enrollment/enrolled-host.js';
import { errorMessage } from '../config/error-facts.js';
import { hostFiles } from '../config/host-files.js';
import type { ChannelKeys } from '../trust/channel-keys.js';
import { AskAgain } from '../health/ask-again.js';
import { backoff, jittered } from '../health/clock.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';
import { Reachability } from '../health/reachability.js';
import { SingleFlight } from '../health/single-flight.js';
import { Context } from '../health/context.js';
import type { ReportPace } from '../health/report-pace.js';
import type { SensorWatch } from '../sensor/sensor-watch.js';
import { moveIn, RedirectFailed, type MovedIn } from './move-in.js';
import { writePlacement, type Placement, type RedirectFailure } from '../enrollment/placement.js';
import { Redirects } from './redirects.js';

/** How often what is still to be done is looked at; the control plane is asked more seldom. */
const LOOK_MS = 60_000;
const TRIAL_LOOK_MS = 3_000;
/** The new control plane has so long to deliver something that counts; then the host goes back. */
const TRIAL_MS = 5 * 60_000;
const RETRY_BASE_MS = 10_000;
const RETRY_CAP_MS = 10 * 60_000;
/** Hosts that hear of a redirect ask within this time, so that ten thousand do not at once. */
const SPREAD_MS = 15_000;
/** An order that was not for this host is asked for so often: one replica hints at what another has not read yet. */
const ASKED_IN_VAIN = 2;

/** What the watch looks at; `link` and `reach` lead to the control plane of now. */
export interface RedirectParts {
  readonly client: ControlPlaneClient;
  readonly reach: Reachability;
  readonly link: HostLink;
  readonly keys: ChannelKeys;
  readonly sensors: SensorWatch;
  readonly pace: Pick<ReportPace, 'askEveryMs'>;
}

/**
 * Follows the root keys' order to another control plane. The order is believed by its signatures alone. Everything is
 * agreed with the new one before the host leaves the one that it has; then the new one is on trial until it has
 * delivered an assignment that counts, and the host goes back where it does not. What is enforced is the sensor's and
 * stays throughout.
 */
export class RedirectWatch extends Redirects {
  readonly #flight = new SingleFlight(() => this.#attempt());
  readonly #changed = new Set<() => Promise<void>>();
  readonly #moved = new Set<() => void>();
  #placement: Placement | undefined;
  #report: RedirectReport | undefined;
  #refused: string | undefined;
  #hinted = false;
  /** The newest order that was hinted at and not for this host. */
  #forOthers = { digest: undefined as unknown, asked: 0 };
  #answeredNothing = 0;
  readonly #ask: AskAgain;
  #left = false;

  constructor(
    private readonly host: EnrolledHost,
    private readonly parts: RedirectParts,
    private readonly around: Context,
  ) {
    super();
    this.#placement = host.placement;
    this.#report = this.#firstReport();
    this.#ask = new AskAgain(() => parts.pace.askEveryMs, around.clock);
  }

  override get report(): RedirectReport | undefined {
    return this.#report;
  }

  override attempt(): Promise<void> {
    return this.#flight.run();
  }

  override async hinted(digest: unknown): Promise<void> {
    // What was taken and cannot be followed yet is tried again without being asked for anew.
    const isKnown = digest === this.#placement?.newest.digest;
    if (this.#hinted || isKnown || digest === this.#refused || this.#onTrial) return;
    const asked = digest === this.#forOthers.digest ? this.#forOthers.asked : 0;
    if (asked >= ASKED_IN_VAIN) return;
    this.#hinted = true;
    const before = this.#answeredNothing;
    try {
      const { clock } = this.around;
      await clock.wait(clock.random() * SPREAD_MS, AbortSignal.timeout(SPREAD_MS));
      this.#ask.hurry();
      await this.attempt();
      if (this.#answeredNothing > before) this.#forOthers = { digest, asked: asked + 1 };
    } finally {
      this.#hinted = false;
    }
  }

  override intervalMs(): number {
    return this.#onTrial ? TRIAL_LOOK_MS : jittered(LOOK_MS, this.around.clock.random());
  }

  override onChange(listener: () => Promise<void>): void {
    this.#changed.add(listener);
  }

  override onMoved(listener: () => void): void {
    this.#moved.add(listener);
  }

  async #attempt(): Promise<void> {
    if (this.#left) return;
    try {
      if (this.#onTrial) return await this.#judgeTrial();
      await this.#dropOverruled();
      for (const offer of [await this.#asked(), this.#placement?.offer])
        if (offer?.redirect !== undefined && (await this.#judge(offer))) return;
    } catch (cause) {
      this.around.log.error('redirects were looked after in a way that nobody foresaw', { cause });
    }
  }

  /** Whether the control plane of now is the one that is tried. */
  get #onTrial(): boolean {
    return this.host.place !== undefined && this.#placement?.trial !== undefined;
  }

  /** Somebody has written another control plane into agent.yaml, and means it: where redirects led is over for good. */
  async #dropOverruled(): Promise<void> {
    const { current, trial, newest } = this.#placement ?? {};
    if (newest === undefined || this.host.place || (current ?? trial) === undefined) return;
    this.around.log.warn('agent.yaml was changed: it counts again, and not where a redirect led', {
      controlPlane: this.host.controlPlane,
      led: (trial ?? current)?.url,
    });
    await this.#keep({ ...this.#rest(), newest });
    this.#report = undefined;
  }

  async #asked(): Promise<RedirectOffer | undefined> {
    if (!this.#ask.isDue()) return undefined;
    this.#ask.begin();
    try {
      const { status, body } = await this.parts.client.get('/v1/redirects/offered');
      if (status !== 200) throw new Error(`status ${status}`);
      const { redirect, roots } = JSON.parse(body) as Partial<RedirectOffer>;
      if (!Array.isArray(roots)) throw new Error('its answer has no root documents');
      if (redirect === undefined) this.#answeredNothing += 1;
      return { redirect, roots };
    } catch (cause) {
      this.around.log.debug('redirects not asked for', { problem: errorMessage(cause) });
      return undefined;
    }
  }

  /** True where the offer counts, whether it could be followed or not. */
  async #judge(offer: RedirectOffer): Promise<boolean> {
    const { nodeId } = this.host.trust;
    let verified: VerifiedRedirect | undefined;
    let root = this.parts.keys.trusted;
    try {
      root = followRoots(root, offer.roots);
      verified = verifyRedirect(offer.redirect, root);
      const now = this.around.clock.now();
      checkRedirect(verified, { nodeId, now, newest: this.#placement?.newest });
    } catch (cause) {
      if (!(cause instanceof RefusedError)) throw cause;
      await this.#refuse(cause, verified);
      return false;
    }
    await this.#take(verified, offer, root);
    return true;
  }

  async #take(
    { document, digest }: VerifiedRedirect,
    offer: RedirectOffer,
    root: TrustedRoot,
  ): Promise<void> {
    const { issuedAt, to } = document;
    const newest = { issuedAt, digest };
    if (to === undefined || this.#isAt(to)) return this.#settle(newest, to);
    const known = this.#placement?.newest.digest === digest ? this.#placement : undefined;
    if (known === undefined) await this.#keep({ ...this.#rest(), newest, offer });
    if (this.#isTooEarly()) return;
    this.around.log.info('a redirect leads to another control plane', { to: to.url, issuedAt });
    try {
      await this.#go(to, newest, root);
    } catch (cause) {
      await this.#failed(cause, { issuedAt, to: to.url }, { newest, offer });
    }
  }

  /** There is nowhere to go: the host is there, or is to stay. */
  async #settle(newest: Placement['newest'], to: ControlPlaneAddress | undefined): Promise<void> {
    this.around.conditions.clear('redirect');
    const { digest, issuedAt } = newest;
    if (this.#placement?.newest.digest === digest && !this.#placement.offer) return;
    await this.#keep({ ...this.#rest(), newest });
    this.around.log.info(to ? 'the redirect leads here' : 'redirects are ended: the host stays', {
      issuedAt,
    });
    await this.#tell(this.#firstReport());
  }

  async #go(
    to: ControlPlaneAddress,
    newest: Placement['newest'],
    root: TrustedRoot,
  ): Promise<void> {
    const { host, around } = this;
    const { clock, log } = around;
    const { highest } = await this.#sensorState();
    const got = await moveIn(to, { host, root, highest, clock });
    const folder = `place-${newest.issuedAt}`;
    await this.#write(folder, to, got);
    // From here on a restart begins there.
    const trial = { ...to, folder, since: clock.now() };
    const { offer, failure } = this.#placement ?? {};
    await this.#keep({ ...this.#rest(), newest, offer, failure, trial });
    log.info('redirected: the new control plane is on trial', { to: to.url });
    around.conditions.clear('redirect');
    // The last word to the one that the host leaves; it need not be heard.
    await this.#tell(this.#said('redirected', newest.issuedAt, to.url));
    this.#leave();
  }

  /** How far this host is only its sensor knows; without it no control plane could be told to be behind. */
  async #sensorState(): Promise<SensorState> {
    const state = this.parts.sensors.sighting?.state ?? (await this.parts.sensors.refresh());
    if (state !== undefined) return state;
    throw new RedirectFailed('sensor-away', 'the sensor does not say how far this host is');
  }

  async #write(folder: string, to: ControlPlaneAddress, got: MovedIn): Promise<void> {
    const files = hostFiles(this.host.stateDir, folder);
    const own = { mode: 0o600 };
    await mkdir(join(files.agentDir, folder), { recursive: true, mode: 0o700 });
    await writeFileAtomic(files.ca, got.ca, own);
    await writeFileAtomic(files.pinned, `${to.caFingerprint}\n`, own);
    await writeFileAtomic(files.certificate, got.certificate, own);
    await writeFileAtomic(files.redis, `${JSON.stringify(got.redis)}\n`, own);
  }

  /** Confirmed by an assignment out of its Redis that verifies and is not behind; over connections made anew. */
  async #judgeTrial(): Promise<void> {
    if (this.#placement?.trial === undefined) return;
    const { v, configured, newest, offer, trial } = this.#placement;
    const { clock, log } = this.around;
    try {
      await this.#proveTrial();
    } catch (cause) {
      const problem = errorMessage(cause);
      log.debug('the new control plane is not confirmed yet', { problem });
      // Not by which way the clock was set.
      if (Math.abs(clock.now() - trial.since) < TRIAL_MS) return;
      return this.#goBack({ newest, offer }, trial.url, problem);
    }
    const { since: _since, ...current } = trial;
    await this.#keep({ v, configured, newest, current });
    await this.#forgetOthers(current.folder);
    log.info('the new control plane is confirmed', { url: current.url });
    await this.#tell(this.#firstReport());
  }

  async #proveTrial(): Promise<void> {
    const { reach, link, keys, sensors } = this.parts;
    await reach.prove();
    const record = await link.fetchRecord();
    if (record === undefined) throw new Error('it has delivered no assignment');
    const { nodeId, sealingPrivateKey } = this.host.trust;
    const highest = sensors.sighting?.state.highest;
    const now = this.around.clock.now();
    const trustedRoot = keys.trusted;
    await verifyAssignment({ record, trustedRoot, nodeId, sealingPrivateKey, highest, now });
  }

  async #goBack(
    order: Pick<Placement, 'newest' | 'offer'>,
    to: string,
    problem: string,
  ): Promise<void> {
    const message = `it delivered nothing that counts within ${TRIAL_MS / 60_000} minutes (${problem}): the host went back`;
    const of = { issuedAt: order.newest.issuedAt, to, code: 'not-confirmed', message };
    await this.#keep({ ...this.#rest(), ...order, failure: this.#failure(of) });
    this.around.log.warn('redirect failed', of);
    this.#leave();
  }

  async #failed(
    cause: unknown,
    of: Pick<RedirectFailure, 'issuedAt' | 'to'>,
    order: Pick<Placement, 'newest' | 'offer'>,
  ): Promise<void> {
    const code = cause instanceof RedirectFailed ? cause.code : 'failed';
    const message = errorMessage(cause).slice(0, 1_000);
    const failure = this.#failure({ ...of, code, message });
    this.around.log.warn('redirect failed', { ...failure });
    this.around.conditions.raise(
      'redirect',
      `the redirect to ${of.to} cannot be followed (${code}: ${message}); this host stays where it is and tries again`,
    );
    await this.#keep({ ...this.#rest(), ...order, failure });
    await this.#tell(this.#firstReport());
  }

  /** What does not count changes nothing; it is told once. */
  async #refuse({ code, message }: RefusedError, verified?: VerifiedRedirect): Promise<void> {
    // What was taken before and is over is no news.
    if (verified && verified.digest === this.#placement?.newest.digest) return this.#forgetOffer();
    if (this.#report?.message === message) return;
    // It is not asked for at each hint from now on, unless another time makes another verdict.
    if (code !== 'not-yet-valid') this.#refused = verified?.digest;
    const issuedAt = verified?.document.issuedAt ?? 0;
    this.around.log.warn('redirect refused', { code, message, issuedAt });
    const to = verified?.document.to?.url ?? '';
    await this.#tell({ ...this.#said('redirect-failed', issuedAt, to), code, message });
  }

  async #forgetOffer(): Promise<void> {
    if (this.#placement?.offer === undefined) return;
    await this.#keep({ ...this.#rest(), newest: this.#placement.newest });
    this.around.conditions.clear('redirect');
    await this.#tell(this.#firstReport());
  }

  #failure(of: Omit<RedirectFailure, 'at' | 'attempts'>): RedirectFailure {
    const before = this.#placement?.failure;
    const attempts = before?.issuedAt === of.issuedAt ? before.attempts + 1 : 1;
    return { ...of, at: this.around.clock.now(), attempts };
  }

  /** It was tried a moment ago, and failed; also where our clock went back behind that. */
  #isTooEarly(): boolean {
    const failure = this.#placement?.failure;
    if (failure === undefined) return false;
    const agoMs = Math.abs(this.around.clock.now() - failure.at);
    return agoMs < backoff(failure.attempts, RETRY_BASE_MS, RETRY_CAP_MS, 0.5);
  }

  /** What every placement has: what agent.yaml says now, and the place of now where that is not it. */
  #rest(): Pick<Placement, 'v' | 'configured' | 'current'> {
    const { configured } = this.host;
    const current = this.host.place && this.#placement?.current;
    return { v: 1, configured, ...(current && { current }) };
  }

  async #keep(placement: Placement): Promise<void> {
    await writePlacement(this.host.files.placement, placement);
    this.#placement = placement;
  }

  #isAt({ url, caFingerprint }: ControlPlaneAddress): boolean {
    const { controlPlane, authorities } = this.host;
    return controlPlane === url && authorities.fingerprints.includes(caFingerprint);
  }

  /** What is to be said of where the host is, by what is on disk. */
  #firstReport(): RedirectReport | undefined {
    const { failure, current, newest } = this.#placement ?? {};
    if (this.#onTrial) return undefined;
    if (failure) {
      const { issuedAt, to, code, message, at } = failure;
      const when = new Date(at).toISOString();
      return { state: 'redirect-failed', issuedAt, to, code, message, at: when };
    }
    if (newest === undefined || current === undefined || this.host.place === undefined)
      return undefined;
    return this.#said('followed', newest.issuedAt, current.url);
  }

  #said(state: RedirectReport['state'], issuedAt: number, to: string): RedirectReport {
    return { state, issuedAt, to, at: new Date(this.around.clock.now()).toISOString() };
  }

  async #tell(report: RedirectReport | undefined): Promise<void> {
    this.#report = report;
    for (const tell of this.#changed) await tell();
  }

  #leave(): void {
    this.#left = true;
    for (const tell of this.#moved) tell();
  }

  async #forgetOthers(folder: string): Promise<void> {
    const { agentDir } = this.host.files;
    const names = await readdir(agentDir);
    for (const name of names.filter((each) => /^place-[0-9]+$/.test(each) && each !== folder))
      await rm(join(agentDir, name), { recursive: true, force: true });
  }
}
