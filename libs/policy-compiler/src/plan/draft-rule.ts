import {
  overridesProtection,
  postureOf,
  type Rule,
  type RuleSet,
  rulesOf,
  untilOf,
} from '#policy-model';
import type { HostCapabilities, Plan, RuleClass, RuleReference } from './types.js';
import { vetoReason } from '../resolve/veto.js';

/** One rule on its way to the profiles; `plan` and `reason` become its report. */
export interface DraftRule {
  readonly index: number;
  readonly rule: Rule;
  readonly reference: RuleReference;
  readonly class: RuleClass;
  readonly posture: 'audit' | 'block';
  readonly overridesProtection: boolean;
  /** Why an exception leaves nothing of the list that the rule makes. */
  exempted?: string;
  /** Why what is written for it may be about nothing on this host. */
  unmet?: string;
  plan: Plan;
  reason?: string;
}

const CLASS: Readonly<Record<Rule['object']['kind'], RuleClass>> = {
  process: 'process',
  file: 'file',
  protocol: 'network',
  dns: 'dns',
  capability: 'capabilities',
  syscall: 'syscalls',
  device: 'device',
  apparmor: 'apparmor',
  exemption: 'exemption',
};

/** What is known of rules beforehand. */
export type Verdicts = Partial<
  Pick<HostCapabilities, 'nowMs' | 'rejected' | 'veto' | 'authors' | 'resolve'>
>;

/** The rules of a set, before anything is placed. */
export function draftRules(ruleSet: RuleSet, host: Verdicts = {}): readonly DraftRule[] {
  const rules: DraftRule[] = [];
  for (const { document, revision } of ruleSet.policies) {
    const ended = hasEnded(untilOf(document), host.nowMs);
    for (const rule of rulesOf(document)) {
      rules.push({
        index: rules.length,
        rule,
        reference: referenceTo(rule, revision),
        class: rule.lifts ? 'exemption' : CLASS[rule.object.kind],
        posture: postureOf(document),
        overridesProtection: overridesProtection(document),
        ...verdictBeforehand(rule, postureOf(document), ended, host),
      });
    }
  }
  return rules;
}

function verdictBeforehand(
  rule: Rule,
  posture: 'audit' | 'block',
  ended: boolean,
  host: Verdicts,
): Pick<DraftRule, 'plan' | 'reason'> {
  const refusal = refusalOf(rule, host);
  if (refusal !== undefined) return { plan: 'refused', reason: refusal };
  if (ended) return { plan: 'unsupported', reason: 'the exception has ended' };
  const words = host.rejected?.get(`${rule.policy}/${rule.id}`);
  return words === undefined
    ? { plan: firstPlan(rule, posture) }
    : { plan: 'failed', reason: words };
}

/** Why the owner of the host does not take a rule; undefined where that is not so. */
export function refusalOf(
  rule: Rule,
  { veto, authors, resolve = (path) => [path] }: Verdicts,
): string | undefined {
  return veto && vetoReason(veto, rule, { authors: authors?.get(rule.policy) ?? [], resolve });
}

function hasEnded(untilMs: number | undefined, nowMs: number | undefined): boolean {
  return untilMs !== undefined && nowMs !== undefined && untilMs <= nowMs;
}

function referenceTo(rule: Rule, revision: string): RuleReference {
  const { policy, id, action, severity, tags, message } = rule;
  return {
    policy,
    revision,
    rule: id,
    action,
    ...(severity === undefined ? {} : { severity }),
    tags,
    ...(message === undefined ? {} : { message }),
  };
}

/** An Allow of the normal tier is a list under its policy's posture; of another tier it is a permission in force. */
function firstPlan(rule: Rule, posture: 'audit' | 'block'): Plan {
  if (rule.action === 'Audit') return 'audit';
  if (rule.action === 'Allow' && rule.tier === 'normal')
    return posture === 'block' ? 'enforce' : 'audit';
  return 'enforce';
}

/** Whether a rule still goes into the profiles. */
export function isLive(rule: DraftRule): boolean {
  return rule.plan === 'enforce' || rule.plan === 'audit';
}
