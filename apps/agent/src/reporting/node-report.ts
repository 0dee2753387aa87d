import { compareAssignmentVersion } from '#bundle';
import {
  REPORT_INTERVAL_MS,
  type NodeReport,
  type AssignmentVersion,
  type Condition,
  type RedirectReport,
  type RolledBack,
  type RuleStatus,
  type Suspension,
} from '#contracts';
import type { CompileReport } from '#policy-compiler';
import type { SensorDrift, SensorState } from '#sensor';
import { ruleStatus } from './rule-status.js';

/** A record or a rule set that this host did not take; `at` in ms since 1970. */
export interface Rejection {
  readonly code: string;
  readonly message: string;
  readonly at: number;
  readonly assignmentVersion?: AssignmentVersion;
}

/** Everything a report is made of; times in ms since 1970. */
export interface ReportFacts {
  readonly nodeId: string;
  readonly hostname: string;
  readonly sequence: number;
  readonly bootedAt: number;
  readonly now: number;
  /** Until the next report at the latest, while nothing changes. */
  readonly reportEveryMs: number;
  readonly observing: boolean;
  /** The last state that the sensor told, and since when it tells this outcome; absent before the first. */
  readonly sensor?: {
    readonly version: string;
    readonly state: SensorState;
    readonly outcomeSince: number;
  };
  readonly compileReport?: CompileReport;
  readonly rejection?: Rejection;
  readonly agentVersion: string;
  readonly spoolLost: number;
  /** Telemetry events that were not sent, since the agent started. */
  readonly telemetryEventsLost: number;
  readonly rolledBack?: RolledBack;
  readonly redirect?: RedirectReport;
}

/** How long a repaired drift still qualifies: two reports, so that a reader at report intervals sees it once. */
const DRIFT_SHOWN_MS = 2 * REPORT_INTERVAL_MS;

/**
 * Longer texts are cut: the control plane refuses all of a report that holds one, and a path alone may have 4,095 bytes.
 * Mirror of the bounds in apps/control-plane/src/reports/parse-report.ts.
 */
const LONGEST = {
  reason: 2_000,
  message: 2_000,
  suspension: 1_000,
  enforcerReason: 500,
  drift: 500,
  visibility: 500,
  byPathAlone: 500,
} as const;

/**
 * The report of a host. `asOf` is when the kernel was read back, not when the report was made: a report of an agent
 * whose sensor is away therefore decays to `unknown` like no report.
 */
export function nodeReport(facts: ReportFacts): NodeReport {
  const state = facts.sensor?.state;
  const rejection = facts.rejection ?? fallbackOf(state) ?? outcomeOf(facts.sensor);
  return {
    v: 1,
    nodeId: facts.nodeId,
    sequence: facts.sequence,
    bootedAt: iso(facts.bootedAt),
    asOf: iso(state?.asOf ?? facts.bootedAt),
    ...promiseOf(facts),
    enforcer: facts.observing ? 'observe' : (state?.enforcer ?? 'none'),
    ...reasonOf(facts.compileReport),
    ...appliedOf(state),
    ...seenOf(state),
    ...(rejection === undefined ? {} : { rejected: rejectedOf(rejection) }),
    conditions: conditionsOf(state, facts),
    ...suspensionOf(state),
    ...coverageOf(state, facts.observing),
    drift: (state?.drift ?? []).map(driftOf),
    policies: policiesOf(facts.compileReport, state),
    host: { hostname: facts.hostname, kernel: state?.kernel ?? '', lsm: state?.lsm ?? [] },
    versions: { agent: facts.agentVersion, sensor: facts.sensor?.version ?? '' },
    losses: lossesOf(state, facts.spoolLost),
    ...visibilityReported(state, facts.telemetryEventsLost),
    ...(facts.rolledBack === undefined ? {} : { rolledBack: facts.rolledBack }),
    ...(facts.redirect && { redirect: facts.redirect }),
  };
}

/** Nothing where it is as ever: what an older control plane reads then is as before. */
function promiseOf({ reportEveryMs }: ReportFacts): Pick<NodeReport, 'nextWithinMs'> {
  return reportEveryMs === REPORT_INTERVAL_MS ? {} : { nextWithinMs: reportEveryMs };
}

function lossesOf(state: SensorState | undefined, spool: number): NodeReport['losses'] {
  const bpf = state?.enforcer === 'bpf' ? { bpf: state.losses.bpf } : {};
  return { audit: state?.losses.audit ?? 0, spool, ...bpf };
}

/** Nothing where nothing is to be watched: what an older control plane reads then is as before. */
function visibilityReported(
  state: SensorState | undefined,
  agent: number,
): Pick<NodeReport, 'visibility'> {
  const sensing = state?.sensing;
  if (sensing === undefined || sensing.wanted.length === 0) return {};
  const { wanted, watched, failure, losses } = sensing;
  const reason = failure === undefined ? {} : { reason: failure.slice(0, LONGEST.visibility) };
  return { visibility: { wanted, watched, ...reason, losses: { ...losses, agent } } };
}

function reasonOf(report: CompileReport | undefined): Pick<NodeReport, 'enforcerReason'> {
  const enforcerReason = report?.enforcerReason?.slice(0, LONGEST.enforcerReason);
  return enforcerReason === undefined ? {} : { enforcerReason };
}

function appliedOf(state: SensorState | undefined): Pick<NodeReport, 'applied'> {
  if (state?.assignmentVersion === undefined || state.digest === undefined) return {};
  return { applied: { ...state.assignmentVersion, bundleDigest: state.digest } };
}

/** Nothing where it is as ever: what an older control plane reads then is as before. */
function seenOf(state: SensorState | undefined): Pick<NodeReport, 'seen'> {
  const { highest, assignmentVersion } = state ?? {};
  if (highest === undefined) return {};
  return assignmentVersion !== undefined &&
    compareAssignmentVersion(highest, assignmentVersion) === 0
    ? {}
    : { seen: highest };
}

function policiesOf(
  report: CompileReport | undefined,
  state: SensorState | undefined,
): NodeReport['policies'] {
  if (report === undefined || state === undefined) return [];
  return report.policies.map(({ policy, revision, rules }) => ({
    policy,
    revision,
    rules: rules.map((rule) => bounded(ruleStatus(policy, rule, state, report.attribution.rules))),
  }));
}

function bounded(status: RuleStatus): RuleStatus {
  const { reason } = status;
  return reason === undefined ? status : { ...status, reason: reason.slice(0, LONGEST.reason) };
}

function conditionsOf(
  state: SensorState | undefined,
  { now, rejection }: ReportFacts,
): readonly Condition[] {
  if (state === undefined) return [];
  const conditions: readonly [Condition, boolean][] = [
    ['drifted', state.drift.some((drift) => now - (drift.repairedAt ?? now) < DRIFT_SHOWN_MS)],
    ['stale', state.stale === true || hasExpired(state, now) || isWithheld(rejection)],
    ['unconfirmed', state.confirm?.state === 'unconfirmed'],
    ['suspended', state.suspension !== undefined],
  ];
  return conditions.filter(([, holds]) => holds).map(([condition]) => condition);
}

/** By the latest of the clock and the last signed time: a host that boots in 1970 does not call itself fresh. */
function hasExpired({ expiresAt, highest }: SensorState, now: number): boolean {
  return expiresAt !== undefined && Math.max(now, highest?.issuedAt ?? 0) >= expiresAt;
}

/** What came leaves something out, or goes back behind it (authored mode): what is enforced may not be the newest. */
function isWithheld(rejection: Rejection | undefined): boolean {
  return rejection?.code === 'withheld' || rejection?.code === 'document-rollback';
}

function suspensionOf(state: SensorState | undefined): { readonly suspension?: Suspension } {
  const suspension = state?.suspension;
  if (suspension === undefined) return {};
  const { mode, until, by, reason } = suspension;
  return {
    suspension: { mode, until: iso(until), reason: reason.slice(0, LONGEST.suspension), by },
  };
}

function coverageOf(
  state: SensorState | undefined,
  observing: boolean,
): Pick<NodeReport, 'coverage'> {
  if (state === undefined || observing || state.enforcer === 'none') return {};
  const { confined, uncovered, list, byPathAlone } = state.coverage;
  return {
    coverage: {
      confinedProcesses: confined,
      uncoveredProcesses: uncovered,
      uncovered: list.slice(0, 20),
      ...(byPathAlone && { byPathAlone: byPathAlone.slice(0, LONGEST.byPathAlone) }),
    },
  };
}

function driftOf({ what, detectedAt, repairedAt }: SensorDrift): NodeReport['drift'][number] {
  const repaired = repairedAt === undefined ? {} : { repairedAt: iso(repairedAt) };
  return { what: what.slice(0, LONGEST.drift), detectedAt: iso(detectedAt), ...repaired };
}

function fallbackOf(state: SensorState | undefined): Rejection | undefined {
  if (state?.confirm?.state !== 'fell-back') return undefined;
  const message =
    state.outcome.message ??
    'the control plane was not reached after the swap, and something of ours was denied';
  return { code: 'fell-back', message, at: state.confirm.since, assignmentVersion: state.highest };
}

function outcomeOf(sensor: ReportFacts['sensor']): Rejection | undefined {
  const { ok, code, message = '' } = sensor?.state.outcome ?? { ok: true };
  if (sensor === undefined || ok || code === undefined) return undefined;
  return { code, message, at: sensor.outcomeSince };
}

function rejectedOf({
  code,
  message,
  at,
  assignmentVersion,
}: Rejection): NonNullable<NodeReport['rejected']> {
  return { code, message: message.slice(0, LONGEST.message), at: iso(at), ...assignmentVersion };
}

/** A time beyond what a Date holds is a broken clock's: the epoch is told instead of ending the report. */
function iso(ms: number): string {
  return new Date(Math.abs(ms) <= 8.64e15 ? ms : 0).toISOString();
}
