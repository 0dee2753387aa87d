import {
  overridesProtection,
  postureOf,
  type Rule,
  type RuleSet,
  rulesOf,
  untilOf,
} from '#policy-model';
import type { HostCapabilities, Plan, RuleClass, RuleReference } from './types.js';

/** One rule on its way to the profiles; `plan` and `reason` become its report. */
export interface DraftRule {
  readonly index: number;
  readonly rule: Rule;
  readonly reference: RuleReference;
  readonly class: RuleClass;
  readonly posture: 'audit' | 'block';
  readonly overridesProtection: boolean;
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
};

/** The rules of a set, before anything is placed. */
export function draftRules(
  ruleSet: RuleSet,
  host: Pick<HostCapabilities, 'nowMs' | 'rejected' | 'veto'> = {},
): readonly DraftRule[] {
  const rules: DraftRule[] = [];
  for (const { document, revision } of ruleSet.policies) {
    const ended = hasEnded(untilOf(document), host.nowMs);
    for (const rule of rulesOf(document)) {
      rules.push({
        index: rules.length,
        rule,
        reference: referenceTo(rule, revision),
        class: CLASS[rule.object.kind],
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
  { rejected, veto }: Pick<HostCapabilities, 'rejected' | 'veto'>,
): Pick<DraftRule, 'plan' | 'reason'> {
  if (veto?.includes(rule.policy)) return { plan: 'refused', reason: vetoReason(rule.policy) };
  if (ended) return { plan: 'unsupported', reason: 'the exception has ended' };
  const words = rejected?.get(`${rule.policy}/${rule.id}`);
  return words === undefined
    ? { plan: firstPlan(rule, posture) }
    : { plan: 'failed', reason: words };
}

/** Why a rule that the host's owner does not take is `refused`. */
function vetoReason(policy: string): string {
  return `the owner of this host refuses the policy: veto in /etc/hostward/agent.yaml names ${policy}`;
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
