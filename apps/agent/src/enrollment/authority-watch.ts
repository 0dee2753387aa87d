import { readFile } from 'node:fs/promises';
import type { TrustedByControlPlane, TrustedByHost } from '#contracts';
import type { HostFiles } from '../config/host-files.js';
import { errorMessage } from '../config/error-facts.js';
import { compareClocks } from '../health/clock-skew.js';
import { controlPlaneAway } from '../health/control-plane-away.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';
import { SingleFlight } from '../health/single-flight.js';
import { Context } from '../health/context.js';
import type { Renewal } from './renewal.js';
import type { TrustedAuthorities } from '../trust/trusted-authorities.js';

/** Hosts that hear of a change ask within this time, so that ten thousand do not at once. */
const SPREAD_MS = 15_000;
const ROUNDS = 3;

/**
 * Follows the control plane when its CA is replaced: says which authorities this host trusts, over a connection that
 * one of them proves and by the host's certificate, and trusts from then on what the answer names. It asks at
 * intervals; a hint makes it ask sooner and is believed in nothing else.
 */
export class AuthorityWatch {
  readonly #flight = new SingleFlight(() => this.#attempt());
  #hinted = false;

  constructor(
    private readonly host: { readonly files: HostFiles; readonly authorities: TrustedAuthorities },
    private readonly client: ControlPlaneClient,
    private readonly renewal: Renewal,
    private readonly around: Context,
  ) {}

  /** Asks now. Never rejects. */
  attempt(): Promise<void> {
    return this.#flight.run();
  }

  /** Somebody says that these are trusted, the one that signs first; who has it otherwise asks within a moment. */
  async hinted(fingerprints: unknown): Promise<void> {
    const { authorities } = this.host;
    if (this.#hinted || String(fingerprints) === String(authorities.fingerprints)) return;
    this.#hinted = true;
    try {
      const { clock } = this.around;
      await clock.wait(clock.random() * SPREAD_MS, AbortSignal.timeout(SPREAD_MS));
      await this.attempt();
    } finally {
      this.#hinted = false;
    }
  }

  async #attempt(): Promise<void> {
    try {
      // Once more after a change: the control plane waits for every host to say that it has followed.
      for (let round = 0; round < ROUNDS; round += 1) if (!(await this.#exchange())) return;
    } catch (cause) {
      const { log, conditions } = this.around;
      // That it is away is told as a condition, once.
      const level = conditions.has('control-plane') ? 'debug' : 'warn';
      log[level]('trusted CAs not asked for', { problem: errorMessage(cause) });
    }
  }

  /** True where something has changed that the control plane is to be told. */
  async #exchange(): Promise<boolean> {
    const { authorities, files } = this.host;
    const said: TrustedByHost = { trusted: authorities.fingerprints };
    const { status, body, serverTime } = await this.#say(said);
    compareClocks(this.around, serverTime);
    // The certificate does not count (any more): with a new one it is asked again.
    if (status === 401) return this.renewal.renewCertificate();
    if (status !== 200) throw new Error(`status ${status}`);
    this.around.conditions.clear('control-plane');
    const answer = parseAnswer(body);
    const changed = await authorities.replace(answer.authorities);
    if (changed) this.around.log.info('trusted CAs changed', { trusted: authorities.fingerprints });
    const certificate = await readFile(files.certificate, 'utf8');
    if (!authorities.issued(certificate, answer.issuing)) await this.renewal.renewCertificate();
    return changed;
  }

  /** In a large fleet it is by this alone that a host finds out that HTTPS does not work, since swaps are confirmed without. */
  async #say(said: TrustedByHost): ReturnType<ControlPlaneClient['postJson']> {
    try {
      return await this.client.postJson('/v1/authorities/trusted', said);
    } catch (cause) {
      controlPlaneAway(this.around, cause);
      throw cause;
    }
  }
}

function parseAnswer(body: string): TrustedByControlPlane {
  const { authorities, issuing } = JSON.parse(body) as Partial<Record<string, unknown>>;
  const isList =
    Array.isArray(authorities) && authorities.every((each) => typeof each === 'string');
  if (!isList || typeof issuing !== 'string') throw new Error('its answer names no authorities');
  return { authorities, issuing };
}
