import { postureOf, rulesOf, type HostPolicy, type Rule } from '#policy-model';
import type { RuleState } from '#contracts';
import type { WantedPolicy } from './report-to-status.js';

/** What a policy promises: `audited` keeps the promise of an audit rule, and of an Allow under posture audit. */
export function wantedPolicy(
  document: HostPolicy,
  { revision, payload, paused }: Pick<WantedPolicy, 'revision' | 'payload' | 'paused'>,
): WantedPolicy {
  const posture = postureOf(document);
  return {
    name: document.metadata.name,
    revision,
    payload,
    paused,
    rules: rulesOf(document).map((rule) => ({
      id: rule.id,
      keptBy: keptBy(rule, posture),
      takes: rule.action === 'Block',
    })),
  };
}

function keptBy(rule: Rule, posture: 'audit' | 'block'): readonly RuleState[] {
  if (rule.action === 'Block') return ['enforced'];
  if (rule.action === 'Audit') return ['audited', 'enforced'];
  return posture === 'block' ? ['enforced'] : ['enforced', 'audited'];
}
