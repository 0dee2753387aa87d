import type { RuleSet } from '#policy-model';
import { type Draft, emptySet } from './draft.js';
import { type DraftRule, draftRules } from './draft-rule.js';
import { escapeGlob } from './glob.js';
import { leavingByOwnProfile, type Transition } from './leaving.js';
import { CATCH_ALL, EXEC, isOwnProfile, sourceProfileName } from './names.js';
import { planProbes } from './probes.js';
import { profileFile, type ProfilePlan, type TextContext } from './profile-text.js';
import { settle, standsAlone } from './settle.js';
import { compileTable } from './table/compile-table.js';
import type {
  AttributionTable,
  Compilation,
  CompileReport,
  EntrySet,
  HostCapabilities,
  PolicyReport,
  Probe,
} from './types.js';

/**
 * Turns the policies of a host into AppArmor profiles (DESIGN D9), or into the table of BPF-LSM (D6), with a verdict on
 * each rule: nothing is dropped, what cannot be enforced has its reason. The same input gives the same bytes.
 */
export function compileRuleSet(ruleSet: RuleSet, host: HostCapabilities): Compilation {
  const rules = draftRules(ruleSet, host);
  if (host.bpf === true) return compileForBpf(ruleSet, rules, host);
  if (host.apparmor === undefined) return withoutAppArmor(ruleSet, rules, host);
  const draft = settle(rules, host);
  const plans = profilePlans(draft, host);
  const context = textContext(draft, host, host.apparmor.priority);
  return {
    profiles: plans.map(({ name, attach }) => (attach === undefined ? { name } : { name, attach })),
    texts: {
      enforce: profileFile(plans, 'enforce', context),
      audit: profileFile(plans, 'audit', context),
      open: profileFile(plans, 'open', context),
    },
    report: { v: 1, policies: policyReports(ruleSet, rules), attribution: attributionTable(draft) },
    probes: planProbes(draft, host),
  };
}

function compileForBpf(
  ruleSet: RuleSet,
  rules: readonly DraftRule[],
  host: HostCapabilities,
): Compilation {
  const draft = settle(rules, host);
  const sources = [...draft.sources].sort(([a], [b]) => (a < b ? -1 : 1));
  const { blob, refused } = compileTable([
    { sets: [draft.general] },
    ...sources.map(([path, own]) => ({ path, sets: [draft.general, own] })),
  ]);
  for (const { rule, reason } of refused) {
    Object.assign(rules[rule] ?? {}, { plan: 'unsupported', reason });
  }
  const left = new Set(refused.map(({ rule }) => rule));
  return {
    profiles: [],
    texts: { enforce: '', audit: '', open: '' },
    report: { v: 1, policies: policyReports(ruleSet, rules), attribution: attributionTable(draft) },
    // A program cannot be probed from: no process can be given its identity.
    probes: planProbes({ ...draft, sources: new Map() }, host).filter(
      ({ rule }) => ![...left].some((index) => isRule(rules[index], rule)),
    ),
    table: { blob, subjects: [CATCH_ALL, ...sources.map(([path]) => sourceProfileName(path))] },
  };
}

function isRule(drafted: DraftRule | undefined, { policy, id }: Probe['rule']): boolean {
  return drafted?.rule.policy === policy && drafted.rule.id === id;
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
    attribution: { v: 1, rules: [], general: emptySet(), profiles: {} },
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

function profilePlans(draft: Draft, host: HostCapabilities): readonly ProfilePlan[] {
  const sources = [...draft.sources].sort(([a], [b]) => (a < b ? -1 : 1));
  const used: ProfilePlan[] = [
    {
      name: CATCH_ALL,
      attach: '/**',
      sets: [draft.general],
      comment: 'Every program, from its next exec.',
    },
    ...sources.map(([source, own]) => ({
      name: sourceProfileName(source),
      attach: host.attached?.(source) === undefined ? escapeGlob(source) : undefined,
      source,
      sets: [draft.general, own],
      comment: `Source ${JSON.stringify(source)}.`,
    })),
  ];
  return [...used, ...retired(draft, used, host.loadedNames)];
}

/** A process may still be in a profile that no rule needs: it must not become unconfined. */
function retired(
  draft: Draft,
  used: readonly ProfilePlan[],
  loaded: readonly string[],
): readonly ProfilePlan[] {
  const names = new Set(used.map(({ name }) => name));
  return [...new Set(loaded)]
    .filter((name) => isOwnProfile(name) && !names.has(name))
    .sort()
    .map((name) => ({
      name,
      sets: [draft.general],
      comment: 'Retired: for processes that are still in it.',
    }));
}

function textContext(draft: Draft, host: HostCapabilities, hasPriority: boolean): TextContext {
  const references = draft.rules.map(({ reference }) => reference);
  const attached = host.attached ?? (() => undefined);
  return {
    references,
    transitions: [...transitions(draft, attached), ...leavingByOwnProfile(attached)],
    hasPriority,
  };
}

/**
 * Most sources need no rule: EXEC finds their profile by its attachment and stacks it on the catch-all, which
 * NoNewPrivileges permits.
 */
function transitions(
  draft: Draft,
  attached: (program: string) => string | undefined,
): readonly Transition[] {
  return [...draft.sources].flatMap(([source, own]) => {
    const name = sourceProfileName(source);
    const alone = standsAlone(draft, own);
    if (attached(source) !== undefined) {
      return [{ source, permission: alone ? `pix -> &${name}` : `${EXEC}//&${name}` }];
    }
    return alone ? [{ source, permission: 'px' }] : [];
  });
}

function attributionTable(draft: Draft): AttributionTable {
  const profiles = [...draft.sources].map(
    ([source, own]) => [sourceProfileName(source), plainSet(own)] as const,
  );
  return {
    v: 1,
    rules: draft.rules.map(({ reference }) => reference),
    general: plainSet(draft.general),
    profiles: Object.fromEntries(profiles),
  };
}

function plainSet({ paths, cells, lists }: Draft['general']): EntrySet {
  return {
    paths: paths.map(({ rule, glob, perms, who, effect, rank }) => ({
      rule,
      glob,
      perms,
      who,
      effect,
      rank,
    })),
    cells: [...cells],
    lists: { ...lists },
  };
}
