import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { compareAssignmentVersion, withDocuments, type VerifiedDelivery } from '#bundle';
import type { AssignmentVersion } from '#contracts';
import { compileRuleSet, type CompileReport, type Veto } from '#policy-compiler';
import {
  ABI_VERSION,
  Sensor,
  SensorRefusedError,
  type SensorEvent,
  type SensorState,
} from '#sensor';
import { writeFileAtomic } from '../config/atomic-file.js';
import type { HostFiles } from '../config/host-files.js';
import { Clock } from '../health/clock.js';
import {
  DeliveryVerifier,
  ruleSetOf,
  type SeenDelivery,
  type Trust,
} from '../trust/delivery-verifier.js';

/** Why no rule is in force here, as each rule's reason. */
const OBSERVES_ONLY = 'this host observes only';

interface Observed extends SeenDelivery {
  readonly expiresAt: number;
  readonly report: string;
  readonly confirmed: boolean;
  readonly since: number;
}

/**
 * `enforcer: observe`: takes assignments like a sensor, with the same checks in the same order, and enforces nothing.
 * It says so: every rule is `unsupported`, with the reason. Nothing is loaded into this machine's kernel.
 */
export class ObservingSensor extends Sensor {
  #observed: Observed | undefined;

  private constructor(
    private readonly files: Pick<HostFiles, 'observed'>,
    private readonly verifier: DeliveryVerifier,
    private readonly clock: Clock,
    private readonly version: string,
    private readonly veto: readonly Veto[],
  ) {
    super();
  }

  /** Goes on from what was observed before this start. */
  static async open(
    files: Pick<HostFiles, 'observed'>,
    trust: Trust,
    clock: Clock,
    version: string,
    veto: readonly Veto[] = [],
  ): Promise<ObservingSensor> {
    const sensor = new ObservingSensor(files, new DeliveryVerifier(trust), clock, version, veto);
    sensor.#observed = parseObserved(await readFile(files.observed, 'utf8').catch(() => ''));
    return sensor;
  }

  hello(): Promise<{ readonly version: string; readonly state: SensorState }> {
    return Promise.resolve({ version: this.version, state: this.#state() });
  }

  async apply(envelope: Uint8Array): Promise<SensorState> {
    const verified = await this.verifier.verify(envelope, this.#observed, this.clock.now());
    const { epoch, generation, issuedAt, expiresAt, bundleDigest: digest } = verified.assignment;
    const assignmentVersion = { epoch, generation, issuedAt };
    const known = this.#observed;
    if (
      known !== undefined &&
      compareAssignmentVersion(known.assignmentVersion, assignmentVersion) === 0
    )
      return this.#state();
    const json = JSON.stringify(observe(verified, this.clock.now(), this.veto));
    const report = Buffer.from(json).toString('base64');
    await this.#keep({
      assignmentVersion,
      expiresAt,
      digest,
      report,
      confirmed: false,
      since: this.clock.now(),
      minimumVersions: verified.minimumVersions ?? known?.minimumVersions,
    });
    return this.#state();
  }

  status(): Promise<SensorState> {
    return Promise.resolve(this.#state());
  }

  recheck(): Promise<SensorState> {
    return this.status();
  }

  async confirm(assignmentVersion: AssignmentVersion): Promise<void> {
    const observed = this.#observed;
    if (
      observed === undefined ||
      compareAssignmentVersion(observed.assignmentVersion, assignmentVersion) !== 0
    ) {
      throw new SensorRefusedError('not-in-force', 'another assignment is observed by now');
    }
    await this.#keep({ ...observed, confirmed: true, since: this.clock.now() });
  }

  /** Nothing is denied here, so nothing happens. */
  async *events(
    _after: number,
    signal?: AbortSignal,
  ): AsyncGenerator<SensorEvent, void, undefined> {
    await new Promise<void>((resolve) => {
      if (signal?.aborted) resolve();
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #keep(observed: Observed): Promise<void> {
    await writeFileAtomic(this.files.observed, JSON.stringify(observed), { mode: 0o600 });
    this.#observed = observed;
  }

  #state(): SensorState {
    const observed = this.#observed;
    return {
      version: this.version,
      abi: ABI_VERSION,
      enforcer: 'none',
      mode: 'off',
      bpfLsm: false,
      ...(observed === undefined ? {} : inForce(observed)),
      outcome: { ok: true },
      profiles: [],
      probes: [],
      coverage: { confined: 0, uncovered: 0, exempt: 0, list: [] },
      drift: [],
      losses: { audit: 0, bpf: { ring: 0, reserve: 0, scratch: 0, race: 0, throttled: 0 } },
      auditListening: false,
      lsm: activeLsm(),
      kernel: release(),
      asOf: this.clock.now(),
    };
  }
}

function inForce({ assignmentVersion, expiresAt, digest, report, confirmed, since }: Observed) {
  const confirm = { state: confirmed ? ('confirmed' as const) : ('waiting' as const), since };
  return { assignmentVersion, highest: assignmentVersion, expiresAt, digest, report, confirm };
}

/** The compiler's own report for a host without an enforcer, with the one reason that counts here. */
function observe(
  { policies }: VerifiedDelivery,
  nowMs: number,
  veto: readonly Veto[],
): CompileReport {
  const ruleSet = ruleSetOf(policies);
  const resolve = (path: string): readonly string[] => [path];
  const { report } = compileRuleSet(ruleSet, { lsm: [], resolve, loadedNames: [], nowMs, veto });
  const observed = withDocuments(report.policies, policies).map((policy) => ({
    ...policy,
    rules: policy.rules.map((rule) =>
      rule.plan === 'refused'
        ? rule
        : { ...rule, plan: 'unsupported' as const, reason: OBSERVES_ONLY },
    ),
  }));
  return { ...report, policies: observed };
}

function parseObserved(text: string): Observed | undefined {
  try {
    const observed = JSON.parse(text) as Observed;
    return typeof observed.assignmentVersion?.epoch === 'string' &&
      typeof observed.report === 'string'
      ? observed
      : undefined;
  } catch {
    return undefined;
  }
}

let lsm: readonly string[] | undefined;

function activeLsm(): readonly string[] {
  try {
    lsm ??= readFileSync('/sys/kernel/security/lsm', 'utf8').trim().split(',');
  } catch {
    lsm = [];
  }
  return lsm;
}
