import { RULE_STATES, type RuleState } from '#contracts';

/** The state that promises least; a policy is no better than its worst rule. Undefined for none. */
export function weakest(states: readonly RuleState[]): RuleState | undefined {
  const worst = states.reduce((rank, state) => Math.max(rank, RULE_STATES.indexOf(state)), -1);
  return RULE_STATES[worst];
}
