import type { RuleSet } from '#policy-model';
import { deviceTable } from './devices.js';
import { type BoundSubject, type Draft, type DraftSet, subjectsOf } from './draft.js';
import { type DraftRule, draftRules } from './draft-rule.js';
import { exempt } from './exemptions.js';
import { escapeGlob } from './glob.js';
import { leavingByOwnProfile, type Transition } from './leaving.js';
import { CATCH_ALL, EXEC, isOwnProfile, sourceProfileName, terminalName } from './names.js';
import { markOverruled } from './overruled.js';
import { planProbes } from './probes.js';
import {
  type ProfileFile,
  profileFile,
  type ProfilePlan,
  type TextContext,
} from './profile-text.js';
import { settle, standsAlone } from './settle.js';
import { compileTable } from './table/compile-table.js';
import type {
  AttributionTable,
  Compilation,
  CompileReport,
  EntrySet,
  HostCapabilities,
  PolicyReport,
} from './types.js';
import { LIST_CLASSES, listOf } from './verdict.js';

/**
 * Turns the policies of a host into AppArmor profiles (D9), or into the table of BPF-LSM (D6), with a verdict on
 * each rule: nothing is dropped, what cannot be enforced has its reason. The same input gives the same bytes.
 */
export function compileRuleSet(ruleSet: RuleSet, host: HostCapabilities): Compilation {
  const rules = draftRules(ruleSet, host);
  exempt(rules, ruleSet, host);
  if (host.bpf === true) return compileForBpf(ruleSet, rules, host);
  if (host.apparmor === undefined) return withoutAppArmor(ruleSet, rules, host);
  const draft = settle(rules, host);
  const devices = deviceTable(rules);
  markOverruled(draft);
  const plans = profilePlans(draft, host);
  const context = textContext(draft, host, host.apparmor.priority);
  const enforce = profileFile(plans, 'enforce', context);
  noteAppArmor(draft, enforce, host.apparmor.priority);
  return {
    profiles: plans.map(({ name, attach }) => (attach === undefined ? { name } : { name, attach })),
    texts: {
      enforce: enforce.text,
      audit: profileFile(plans, 'audit', context).text,
      open: profileFile(plans, 'open', context).text,
    },
    report: { v: 1, policies: policyReports(ruleSet, rules), attribution: attributionTable(draft) },
    probes: planProbes(draft, host),
    ...(devices === undefined ? {} : { devices }),
  };
}

const UNWATCHED =
  'not logged where an Allow meets it that is over a Block or of a list: AppArmor has no glob for what both match';
const UNLISTED_MAPPED =
  'the parser of this host has no rule priorities (AppArmor 4.1): a program that is not listed may still be mapped';

/** What a reader must know of rules that are in force. */
function noteAppArmor(draft: Draft, { unwatched }: ProfileFile, hasPriority: boolean): void {
  const note = (index: number, reason: string): void => {
    const rule = draft.rules[index];
    if (rule !== undefined) rule.reason ??= reason;
  };
  for (const index of unwatched) note(index, UNWATCHED);
  if (hasPriority) return;
  for (const { blocking } of [draft.general, ...draft.sources.values()])
    for (const index of blocking.file ?? []) note(index, UNLISTED_MAPPED);
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
    const draft = settle(rules, host);
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
