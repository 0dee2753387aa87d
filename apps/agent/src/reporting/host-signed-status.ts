import type { HostSignedStatus, SignedDocument, StatedPolicy } from '#bundle';
import type { NodeReport, RuleStatus } from '#contracts';
import type { CompileReport } from '#policy-compiler';
import type { SensorState } from '#sensor';

/** What a signed status is made of besides the report of the same moment; `now` in ms since 1970. */
export interface SignedStatusFacts {
  readonly report: NodeReport;
  readonly mode: SensorState['mode'];
  readonly compileReport?: CompileReport;
  readonly rootVersion: number;
  readonly auditLog: readonly SignedDocument[];
  readonly now: number;
}

/** The report in short, as it is signed: what is in force, by which documents, and how. */
export function hostSignedStatus({ report, ...facts }: SignedStatusFacts): HostSignedStatus {
  return {
    v: 1,
    nodeId: report.nodeId,
    bootedAt: Date.parse(report.bootedAt),
    sequence: report.sequence,
    at: facts.now,
    asOf: Date.parse(report.asOf),
    ...appliedOf(report),
    rootVersion: facts.rootVersion,
    enforcer: report.enforcer,
    mode: facts.mode,
    conditions: report.conditions,
    ...suspensionOf(report),
    policies: policiesOf(report, facts.compileReport),
    auditLog: facts.auditLog,
  };
}

function appliedOf({ applied }: NodeReport): Pick<HostSignedStatus, 'applied'> {
  if (applied === undefined) return {};
  const { bundleDigest: digest, ...assignmentVersion } = applied;
  return { applied: { ...assignmentVersion, digest } };
}

function suspensionOf({ suspension }: NodeReport): Pick<HostSignedStatus, 'suspension'> {
  if (suspension === undefined) return {};
  const { mode, until, by } = suspension;
  return { suspension: { mode, until: Date.parse(until), by } };
}

function policiesOf(
  { policies }: NodeReport,
  compileReport: CompileReport | undefined,
): readonly StatedPolicy[] {
  const documents = new Map(compileReport?.policies.map((each) => [each.policy, each.document]));
  return policies
    .map(({ policy: name, rules }) => ({
      name,
      ...documentOf(documents.get(name)),
      states: countOf(rules),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function documentOf(document: StatedPolicy['document']): Pick<StatedPolicy, 'document'> {
  return document === undefined ? {} : { document };
}

function countOf(rules: readonly RuleStatus[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { state } of rules) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
