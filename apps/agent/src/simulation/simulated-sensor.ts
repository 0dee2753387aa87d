import { compareAssignmentVersion, withDocuments, type VerifiedDelivery } from '#bundle';
import { SIMULATED_KERNEL, type AssignmentVersion } from '#contracts';
import { compileRuleSet, type CompileReport } from '#policy-compiler';
import {
  ABI_VERSION,
  Sensor,
  SensorRefusedError,
  SensorUnavailableError,
  type ProfileState,
  type SensorEvent,
  type SensorState,
} from '#sensor';
import { Clock } from '../health/clock.js';
import { DeliveryVerifier, ruleSetOf, type SeenDelivery } from '../trust/delivery-verifier.js';
import { VERSION } from '../config/version.js';
import type { HostChance } from './host-chance.js';

/** What goes wrong on a simulated host; times in ms. */
export interface SimulatedFaults {
  /** Of a rule set that is loaded, from 0 to 1. */
  readonly failureProbability: number;
  readonly slowMs: number;
  readonly stuck: boolean;
  readonly chance: HostChance;
}

interface Loaded {
  readonly report: string;
  readonly profiles: readonly ProfileState[];
  readonly devices: SensorState['devices'];
}

interface InForce extends SeenDelivery, Loaded {
  readonly expiresAt: number;
  readonly suspension: SensorState['suspension'];
  readonly confirmed: boolean;
  readonly since: number;
}

/** Rule sets that were compiled in this process; a fleet has few at a time. */
const MAX_COMPILED = 64;

/**
 * Stands where a host has its sensor, compiler and kernel: verifies each delivery by the code of the host and says that
 * the rule set is loaded, without a kernel. Hosts of one process that have one rule set share its compilation, and what
 * they say names their kernel for what it is.
 */
export class SimulatedSensor extends Sensor {
  static readonly #compiled = new Map<string, Loaded>();
  readonly #closed = new AbortController();
  #inForce: InForce | undefined;
  #highest: SeenDelivery | undefined;
  #failure: string | undefined;

  constructor(
    private readonly verifier: DeliveryVerifier,
    private readonly faults: SimulatedFaults,
    private readonly clock: Clock,
  ) {
    super();
  }

  hello(): Promise<{ readonly version: string; readonly state: SensorState }> {
    return Promise.resolve({ version: VERSION, state: this.#state() });
  }

  async apply(envelope: Uint8Array): Promise<SensorState> {
    const { failureProbability, slowMs, stuck, chance } = this.faults;
    const { signal } = this.#closed;
    const verified = await this.verifier.verify(envelope, this.#highest, this.clock.now());
    if (stuck) await aborted(signal);
    if (slowMs > 0) await this.clock.wait(slowMs, signal);
    if (signal.aborted) throw new SensorUnavailableError('the simulation ends');
    const { epoch, generation, issuedAt, bundleDigest: digest } = verified.assignment;
    const seen = {
      assignmentVersion: { epoch, generation, issuedAt },
      digest,
      minimumVersions: verified.minimumVersions,
    };
    this.#highest = seen;
    if (chance.fails(failureProbability))
      // A courier tells of the same failure once: that of another rule set must read otherwise.
      this.#failure = `the simulation let generation ${generation} fail`;
    else this.#load(seen, verified);
    return this.#state();
  }

  status(): Promise<SensorState> {
    return Promise.resolve(this.#state());
  }

  recheck(): Promise<SensorState> {
    return this.status();
  }

  confirm(assignmentVersion: AssignmentVersion): Promise<void> {
    const inForce = this.#inForce;
    if (
      inForce === undefined ||
      compareAssignmentVersion(inForce.assignmentVersion, assignmentVersion) !== 0
    )
      throw new SensorRefusedError('not-in-force', 'another assignment is in force by now');
    this.#inForce = { ...inForce, confirmed: true, since: this.clock.now() };
    return Promise.resolve();
  }

  /** Nothing is denied without a kernel. */
  async *events(_after: number, signal: AbortSignal): AsyncGenerator<SensorEvent, void, undefined> {
    await aborted(signal);
  }

  close(): Promise<void> {
    this.#closed.abort();
    return Promise.resolve();
  }

  #load(seen: SeenDelivery, verified: VerifiedDelivery): void {
    const { expiresAt, suspension } = verified.assignment;
    this.#failure = undefined;
    this.#inForce = {
      ...seen,
      ...SimulatedSensor.#loadedOf(verified),
      expiresAt,
      suspension: suspension && { ...suspension, by: 'control-plane' },
      confirmed: false,
      since: this.clock.now(),
    };
  }

  static #loadedOf(verified: VerifiedDelivery): Loaded {
    const { policies, assignment } = verified;
    // In authored mode each host finds its own policies in one bundle.
    const key = [assignment.bundleDigest, ...policies.map(({ name }) => name)].join('\0');
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const loaded = compile(verified);
    const [oldest] = this.#compiled.keys();
    if (oldest !== undefined && this.#compiled.size >= MAX_COMPILED) this.#compiled.delete(oldest);
    this.#compiled.set(key, loaded);
    return loaded;
  }

  #state(): SensorState {
    const inForce = this.#inForce;
    const suspension = this.#suspension();
    return {
      version: VERSION,
      abi: ABI_VERSION,
      enforcer: 'apparmor',
      mode: suspension?.mode ?? 'enforce',
      bpfLsm: false,
      ...(inForce === undefined ? {} : told(inForce)),
      ...(this.#highest === undefined ? {} : { highest: this.#highest.assignmentVersion }),
      outcome:
        this.#failure === undefined
          ? { ok: true }
          : { ok: false, code: 'load-failed', message: this.#failure },
      profiles: inForce?.profiles ?? [],
      probes: [],
      coverage: { confined: 0, uncovered: 0, exempt: 0, list: [] },
      drift: [],
      ...(inForce?.devices === undefined ? {} : { devices: inForce.devices }),
      ...(suspension === undefined ? {} : { suspension }),
      losses: { audit: 0, bpf: { ring: 0, reserve: 0, scratch: 0, race: 0, throttled: 0 } },
      auditListening: true,
      lsm: ['apparmor'],
      kernel: SIMULATED_KERNEL,
      asOf: this.clock.now(),
    };
  }

  #suspension(): SensorState['suspension'] {
    const suspension = this.#inForce?.suspension;
    return suspension !== undefined && suspension.until > this.clock.now() ? suspension : undefined;
  }
}

function told({ assignmentVersion, digest, expiresAt, report, confirmed, since }: InForce) {
  const confirm = { state: confirmed ? ('confirmed' as const) : ('waiting' as const), since };
  return { assignmentVersion, digest, expiresAt, report, confirm };
}

function compile({ policies, assignment }: VerifiedDelivery): Loaded {
  const { profiles, report, devices } = compileRuleSet(ruleSetOf(policies), {
    apparmor: { parser: '4.1.0', priority: true },
    lsm: ['apparmor'],
    resolve: (path) => [path],
    loadedNames: [],
    nowMs: assignment.issuedAt,
    veto: [],
  });
  const documented: CompileReport = {
    ...report,
    policies: withDocuments(report.policies, policies),
  };
  return {
    report: Buffer.from(JSON.stringify(documented)).toString('base64'),
    devices:
      devices === undefined
        ? undefined
        : { bus: false, listening: true, present: 0, refused: 0, spared: [] },
    profiles: profiles.map(({ name }) => ({
      name,
      loaded: true,
      mode: 'enforce',
      hash: 'simulated',
      expectedHash: 'simulated',
      ok: true,
    })),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
