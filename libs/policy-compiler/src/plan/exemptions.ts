/**
 * What an exception that was made from a policy does (`hostward exception add`): while it holds, no Block of that policy
 * and no list of it takes anything on the host, also where the policy is changed meanwhile. Nothing is allowed instead: what
 * other policies take stays taken, and what the policy allows and audits stays as it is.
 */
import { type Rule, type RuleSet, untilOf } from '#policy-model';
import { type DraftRule, isLive, refusalOf, type Verdicts } from './draft-rule.js';

/** Takes out the Blocks from which an exception in force exempts, and marks the Allows that make no list by it. */
export function exempt(rules: readonly DraftRule[], { policies }: RuleSet, host: Verdicts): void {
  const documents = new Map(policies.map(({ document }) => [document.metadata.name, document]));
  for (const exception of rules.filter(isLive)) {
    const { object, policy } = exception.rule;
    if (object.kind !== 'exemption') continue;
    const made = documents.get(policy);
    if (!documents.has(object.policy)) exception.reason = `the host does not have ${object.policy}`;
    const until = made && untilOf(made);
    const end = until === undefined ? '' : ` until ${new Date(until).toISOString()}`;
    const reason = `${policy} exempts this host from it${end}`;
    for (const drafted of rules.filter(({ rule }) => rule.policy === object.policy)) {
      // As if it were allowed: what the owner does not take to be, is not lifted either.
      const allowed: Rule = { ...drafted.rule, policy, action: 'Allow', tier: 'exception' };
      const refusal = refusalOf(allowed, host);
      if (refusal === undefined) lift(drafted, reason);
      else exception.reason ??= `not from all of ${object.policy}: ${refusal}`;
    }
  }
}

function lift(drafted: DraftRule, reason: string): void {
  if (!isLive(drafted)) return;
  if (drafted.rule.action === 'Block') Object.assign(drafted, { plan: 'overruled', reason });
  else if (makesBlockingList(drafted)) drafted.exempted ??= reason;
}

function makesBlockingList({ rule, posture }: DraftRule): boolean {
  return rule.action === 'Allow' && rule.tier === 'normal' && posture === 'block';
}
