import type { HostPolicy, HostPolicySpec, RuleSet } from '#policy-model';
import { GENERIC_DEBIAN } from './protected-paths.js';
import type { HostCapabilities } from './types.js';

/** Builders for tests: a policy from its sections, a rule set from policies, and a Debian host. */
export function policy(
  name: string,
  spec: Omit<HostPolicySpec, 'nodeSelector'>,
  annotations: Readonly<Record<string, string>> = {},
): HostPolicy {
  return {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name, annotations },
    spec: { nodeSelector: { matchLabels: { 'hostward.io/all-hosts': 'true' } }, ...spec },
  };
}

/** Policies in the canonical order of a rule set, all at one revision. */
export function ruleSet(...policies: readonly HostPolicy[]): RuleSet {
  const sorted = [...policies].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return { policies: sorted.map((document) => ({ document, revision: '7' })) };
}

/** A Debian 13 host of which nothing is known but that /usr is merged. */
export function debian(more: Partial<HostCapabilities> = {}): HostCapabilities {
  return {
    apparmor: { parser: '4.1.0', priority: true },
    lsm: ['capability', 'apparmor'],
    resolve: GENERIC_DEBIAN.resolve,
    loadedNames: [],
    ...more,
  };
}

/** The text of one profile out of a profile file. */
export function profileIn(text: string, name: string): string {
  const start = text.indexOf(`profile ${name} `);
  if (start < 0) throw new Error(`no profile ${name} in:\n${text}`);
  return text.slice(start, text.indexOf('\n}\n', start) + 3);
}
