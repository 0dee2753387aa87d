import type { RuleSet } from '#policy-model';
import { deviceTable } from './plan/devices.js';
import { type BoundSubject, type Draft, type DraftSet, subjectsOf } from './plan/draft.js';
import { type DraftRule, draftRules } from './plan/draft-rule.js';
import { exempt } from './plan/exemptions.js';
import { appArmorLimits } from './apparmor/limits.js';
import { CATCH_ALL, sourceProfileName, terminalName } from './resolve/names.js';
import { markOverruled } from './plan/overruled.js';
import { planProbes } from './plan/probes.js';
import { compileProfiles } from './apparmor/compile-profiles.js';
import { settle } from './plan/settle.js';
import { compileTable } from './bpf/compile-table.js';
import type {
  AttributionTable,
  Compilation,
  CompileReport,
  EntrySet,
  HostCapabilities,
  PolicyReport,
} from './plan/types.js';
import { LIST_CLASSES, listOf } from './plan/verdict.js';

/**
 * Turns the policies of a host into AppArmor profiles (D9), or into the table of BPF-LSM (D6), with a verdict on
 * each rule: nothing is dropped, what cannot be enforced has its reason. The same input gives the same bytes.
 */
export function compileRuleSet(ruleSet: RuleSet, host: HostCapabilities): Compilation {
  const rules = draftRules(ruleSet, host);
  exempt(rules, ruleSet, host);
  if (host.bpf === true) return compileForBpf(ruleSet, rules, host);
  if (host.apparmor === undefined) return withoutAppArmor(ruleSet, rules, host);
  const draft = settle(rules, host, (placed) => appArmorLimits(placed, host));
  const devices = deviceTable(rules);
  markOverruled(draft);
  const profiles = compileProfiles(draft, host, host.apparmor.priority);
  return {
    ...profiles,
    report: { v: 1, policies: policyReports(ruleSet, rules), attribution: attributionTable(draft) },
    probes: planProbes(draft, host),
    ...(devices === undefined ? {} : { devices }),
  };
}

function compileForBpf(
  ruleSet: RuleSet,
  rules: readonly DraftRule[],
  host: HostCapabilities,
): Compilation {
  const { draft, subjects, blob, terminals } = settledTable(rules, host);
  const devices = deviceTable(rules);
  markOverruled(draft);
  return {
    profiles: [],
    texts: { enforce: '', audit: '', open: '' },
    report: { v: 1, policies: policyReports(ruleSet, rules), attribution: attributionTable(draft) },
    // Neither a program nor a terminal can be probed from: no process can be given its identity.
    probes: planProbes({ ...draft, sources: new Map() }, host),
    table: { blob, subjects: subjectNames(subjects, terminals) },
    ...(devices === undefined ? {} : { devices }),
  };
}

/** Settles again without what the table has no room for, since a list or a lock-out may hang on it. */
function settledTable(rules: readonly DraftRule[], host: HostCapabilities) {
  for (;;) {
    const draft = settle(rules, host, () => []);
    const subjects = subjectsOf(draft);
    const { blob, refused, terminals } = compileTable(subjects);
    if (refused.length === 0) return { draft, subjects, blob, terminals };
    for (const { rule, reason } of refused) {
      Object.assign(rules[rule] ?? {}, { plan: 'unsupported', reason });
    }
  }
}

/** Those that have a terminal come behind all others, in the same order. */
function subjectNames(subjects: readonly BoundSubject[], terminals: number): readonly string[] {
  const names = subjects.map(nameOf);
  return [...names, ...names.slice(0, terminals).map(terminalName)];
}

function nameOf({ path }: BoundSubject): string {
  return path === undefined ? CATCH_ALL : sourceProfileName(path);
}

function withoutAppArmor(
  ruleSet: RuleSet,
  rules: readonly DraftRule[],
  host: HostCapabilities,
): Compilation {
  const active =
    host.lsm.length > 0 ? `active: ${host.lsm.join(', ')}` : 'no security module is active';
  const reason = host.missing ?? `this host has no AppArmor (${active})`;
  for (const rule of rules.filter(({ plan }) => plan !== 'refused')) {
    Object.assign(rule, { plan: 'unsupported', reason });
  }
  const report: CompileReport = {
    v: 1,
    policies: policyReports(ruleSet, rules),
    attribution: { v: 1, rules: [], general: plainSet([]), profiles: {} },
  };
  return { profiles: [], texts: { enforce: '', audit: '', open: '' }, report, probes: [] };
}

function policyReports(ruleSet: RuleSet, rules: readonly DraftRule[]): readonly PolicyReport[] {
  return ruleSet.policies.map(({ document, revision }) => ({
    policy: document.metadata.name,
    revision,
    rules: rules
      .filter(({ rule }) => rule.policy === document.metadata.name)
      .map(({ rule, plan, reason, class: ruleClass }) => ({
        id: rule.id,
        plan,
        ...(reason === undefined ? {} : { reason }),
        class: ruleClass,
      })),
  }));
}

function attributionTable(draft: Draft): AttributionTable {
  const profiles = subjectsOf(draft).flatMap((subject) => {
    const own = subject.sets.slice(1);
    const name = nameOf(subject);
    return [
      ...(own.length > 0 ? [[name, plainSet(own)] as const] : []),
      ...(subject.terminal.length > 0
        ? [[terminalName(name), plainSet([...own, ...subject.terminal])] as const]
        : []),
    ];
  });
  return {
    v: 1,
    rules: draft.rules.map(({ reference }) => reference),
    general: plainSet([draft.general]),
    profiles: Object.fromEntries(profiles),
  };
}

/** Several sets as one, in which a list of a class is the one that counts. */
function plainSet(sets: readonly DraftSet[]): EntrySet {
  const lists = LIST_CLASSES.map((listClass) => [listClass, listOf(sets, listClass)] as const);
  return {
    paths: sets.flatMap(({ paths }) =>
      paths.map(({ rule, glob, perms, who, effect, rank }) => ({
        rule,
        glob,
        perms,
        who,
        effect,
        rank,
      })),
    ),
    cells: sets.flatMap(({ cells }) => cells),
    lists: Object.fromEntries(lists.filter(([, list]) => list !== undefined)),
  };
}
