import { type Draft, placeRules } from './draft.js';
import type { DraftRule } from './draft-rule.js';
import { findLockoutsIn } from './lockouts.js';
import type { HostCapabilities } from './types.js';

/** A rule that an enforcer cannot hold, and why. */
export interface Problem {
  readonly index: number;
  readonly reason: string;
}

/**
 * Places the rules, takes out those that cannot hold on this host, and places again until nothing is left to take out.
 * Each round takes out at least one rule, so it ends. `limits` names what the enforcer cannot hold.
 */
export function settle(
  rules: readonly DraftRule[],
  host: HostCapabilities,
  limits: (draft: Draft) => readonly Problem[],
): Draft {
  for (;;) {
    const draft = placeRules(rules, host);
    const refused = refusals(draft, host);
    const unsupported = limits(draft);
    if (refused.length + unsupported.length === 0) return draft;
    takeOut(rules, refused, 'refused');
    takeOut(rules, unsupported, 'unsupported');
  }
}

/** A rule that is both refused and unsupported ends as unsupported. */
function takeOut(
  rules: readonly DraftRule[],
  problems: readonly Problem[],
  plan: 'refused' | 'unsupported',
): void {
  for (const { index, reason } of problems) Object.assign(rules[index] ?? {}, { plan, reason });
}

function refusals(draft: Draft, host: HostCapabilities): readonly Problem[] {
  const facts = { ...host.controlPath, bpf: host.bpf };
  return findLockoutsIn(draft, host.resolve, facts).map(({ index, message, remedy }) => ({
    index,
    reason: `${message}; ${remedy}`,
  }));
}
