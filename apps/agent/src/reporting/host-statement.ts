import type { HostStatement, SignedDocument, StatedPolicy } from '#bundle';
import type { NodeReport, RuleStatus } from '#contracts';
import type { CompileReport } from '#policy-compiler';
import type { SensorState } from '#sensor';

/** What a statement is made of besides the report of the same moment; `now` in ms since 1970. */
export interface StatementFacts {
  readonly report: NodeReport;
  readonly mode: SensorState['mode'];
  readonly compileReport?: CompileReport;
  readonly rootVersion: number;
  readonly journal: readonly SignedDocument[];
  readonly now: number;
}

/** The report in short, as it is signed: what is in force, by which documents, and how. */
export function hostStatement({ report, ...facts }: StatementFacts): HostStatement {
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
    qualifiers: report.qualifiers,
    ...suspensionOf(report),
    policies: policiesOf(report, facts.compileReport),
    journal: facts.journal,
  };
}

function appliedOf({ applied }: NodeReport): Pick<HostStatement, 'applied'> {
  if (applied === undefined) return {};
  const { bundleDigest: digest, ...ordering } = applied;
  return { applied: { ...ordering, digest } };
}

function suspensionOf({ suspension }: NodeReport): Pick<HostStatement, 'suspension'> {
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
