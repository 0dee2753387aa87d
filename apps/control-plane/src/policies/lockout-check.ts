import { GENERIC_DEBIAN, findLockouts } from '#policy-compiler';
import { overridesProtection, type HostPolicy } from '#policy-model';
import type { FieldError } from '#contracts';

const OVERRIDE =
  'or, if it is meant, take responsibility with ?overrideProtection=true (hostward apply --override-protection)';

/**
 * Rules of a policy that would block the control path of a usual Debian host, as field errors. Hosts judge again by
 * their own files; this refuses early what would lock an operator out nearly everywhere.
 */
export function lockoutErrors(policy: HostPolicy, index: number): readonly FieldError[] {
  if (overridesProtection(policy)) return [];
  const ruleSet = { policies: [{ document: policy, revision: '0' }] };
  return findLockouts(ruleSet, GENERIC_DEBIAN).map((lockout) => ({
    field: `documents[${index}].spec.${lockout.rule.replaceAll('/', '.')}`,
    value: lockout.path,
    message: lockout.message,
    remedy: `${lockout.remedy}; ${OVERRIDE}`,
  }));
}
