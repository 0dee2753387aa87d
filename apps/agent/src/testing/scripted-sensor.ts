import { compareAssignmentVersion, decodeEnvelope } from '#bundle';
import type { AssignmentVersion } from '#contracts';
import {
  ABI_VERSION,
  Sensor,
  SensorRefusedError,
  SensorUnavailableError,
  type SensorEvent,
  type SensorState,
} from '#sensor';

/** A state in which one profile is loaded and read back, and one assignment is in force. */
export function sensorState(change: Partial<SensorState> = {}): SensorState {
  return {
    version: '0.1.0',
    abi: ABI_VERSION,
    enforcer: 'apparmor',
    mode: 'enforce',
    bpfLsm: false,
    outcome: { ok: true },
    profiles: [
      { name: 'hostward', loaded: true, mode: 'enforce', hash: 'a', expectedHash: 'a', ok: true },
    ],
    probes: [],
    coverage: { confined: 10, uncovered: 2, exempt: 1, list: ['1 systemd', '300 systemd-udevd'] },
    drift: [],
    losses: { audit: 0, bpf: { ring: 0, reserve: 0, scratch: 0, race: 0, throttled: 0 } },
    auditListening: true,
    lsm: ['capability', 'apparmor'],
    kernel: '6.12.0',
    asOf: 1_000,
    ...change,
  };
}

/**
 * A sensor of tests: takes any envelope whose assignment version is greater, as if it had verified and loaded it, and plays
 * events that the test pushes. `script` decides what else happens.
 */
export class ScriptedSensor extends Sensor {
  readonly envelopes: Uint8Array[] = [];
  readonly confirmed: AssignmentVersion[] = [];
  state: SensorState = sensorState();
  /** By which clock it reads the kernel back. */
  nowMs: () => number = Date.now;
  /** Set: every call ends like this. */
  failure: Error | undefined;
  /** Set: APPLY is refused with this code. */
  refusal: string | undefined;
  /** What changes with a refusal. */
  refusedState: Partial<SensorState> = {};
  /** The compiler's report of what is applied next, JSON. */
  report: unknown;
  readonly #events: SensorEvent[] = [];
  #wake: (() => void) | undefined;

  hello(): Promise<{ readonly version: string; readonly state: SensorState }> {
    return this.#answer(() => ({ version: '0.1.0-scripted', state: this.#now() }));
  }

  apply(envelope: Uint8Array): Promise<SensorState> {
    return this.#answer(() => {
      this.envelopes.push(envelope);
      if (this.refusal !== undefined) {
        this.state = { ...this.state, ...this.refusedState };
        throw new SensorRefusedError(this.refusal, 'scripted');
      }
      const { assignmentVersion, bundleDigest: digest } = decodeEnvelope(envelope).record;
      const { highest } = this.state;
      if (highest !== undefined && compareAssignmentVersion(assignmentVersion, highest) < 0)
        throw new SensorRefusedError('stale-order', 'scripted');
      const report = Buffer.from(JSON.stringify(this.report ?? null)).toString('base64');
      this.state = {
        ...this.state,
        assignmentVersion,
        highest: assignmentVersion,
        digest,
        report,
        confirm: { state: 'waiting', since: 1 },
      };
      return this.#now();
    });
  }

  status(): Promise<SensorState> {
    return this.#answer(() => this.#now());
  }

  recheck(): Promise<SensorState> {
    return this.status();
  }

  confirm(assignmentVersion: AssignmentVersion): Promise<void> {
    return this.#answer(() => {
      this.confirmed.push(assignmentVersion);
      this.state = { ...this.state, confirm: { state: 'confirmed', since: 1 } };
    });
  }

  /** Something happens on the host. */
  happen(...events: readonly SensorEvent[]): void {
    this.#events.push(...events);
    this.#wake?.();
  }

  async *events(after: number, signal?: AbortSignal): AsyncGenerator<SensorEvent, void, undefined> {
    signal?.addEventListener('abort', () => this.#wake?.(), { once: true });
    for (let last = after; !signal?.aborted;) {
      if (this.failure !== undefined) throw this.failure;
      const next = this.#events.find(({ seq }) => seq > last);
      if (next === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else yield ((last = next.seq), next);
    }
  }

  /** Ends the event stream and every call until `back`. */
  goAway(): void {
    this.failure = new SensorUnavailableError('scripted absence');
    this.#wake?.();
  }

  back(): void {
    this.failure = undefined;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #now(): SensorState {
    return { ...this.state, asOf: this.nowMs() };
  }

  #answer<T>(give: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (this.failure !== undefined) throw this.failure;
      resolve(give());
    });
  }
}
