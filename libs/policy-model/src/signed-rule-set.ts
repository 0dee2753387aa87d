import type { HostPolicy } from './kinds.js';
import type { RuleSet } from './rule.js';
import { validateDocument } from './validate-document.js';

/** A policy as a delivery carries it, whose signature was good. */
export interface SignedPolicy {
  readonly name: string;
  readonly revision: string;
  readonly document: unknown;
}

/** A signed policy is none that this version can read. */
export class InvalidPolicyError extends Error {
  override readonly name = 'InvalidPolicyError';
}

/**
 * The rule set of a delivery. A policy that this version cannot read is refused as a whole: half a rule set is not what
 * was signed. @throws InvalidPolicyError
 */
export function signedRuleSet(policies: readonly SignedPolicy[]): RuleSet {
  return {
    policies: policies.map(({ name, revision, document }) => ({
      document: hostPolicyOf(name, document),
      revision,
    })),
  };
}

function hostPolicyOf(name: string, value: unknown): HostPolicy {
  const { document, diagnostics } = validateDocument(value, { mode: 'lenient' });
  if (document?.kind === 'KubeArmorHostPolicy' && document.metadata.name === name) return document;
  const problem =
    diagnostics.find(({ severity }) => severity === 'error')?.message ??
    'is not the host policy that was signed';
  throw new InvalidPolicyError(`policy ${name}: ${problem}`);
}
