import { MAX_RULES_PER_POLICY, type FieldError } from '#contracts';
import { rulesOf, type HostPolicy } from '#policy-model';
import { documentError } from './field-errors.js';

/** A policy of more rules than a host can report: its hosts would be `unknown`, whatever else they have. */
export function tooManyRules(policy: HostPolicy, index: number): readonly FieldError[] {
  const count = rulesOf(policy).length;
  if (count <= MAX_RULES_PER_POLICY) return [];
  const message = `${count} rules are more than the ${MAX_RULES_PER_POLICY} that a policy may have`;
  return [documentError(index, 'spec', message, 'divide it into several policies')];
}
