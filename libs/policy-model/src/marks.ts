/**
 * Hostward's own marks: what KubeArmor's language has no field for, written where its schema leaves room, so that a
 * file with marks is still a valid KubeArmorHostPolicy. This file is the only one that spells them.
 */
import {
  type HostPolicy,
  type PolicySelector,
  type Posture,
  TIERS,
  type Tier,
  type VirtualMachine,
} from './kinds.js';

/** Keys of nodeSelector.matchLabels. */
export const selectorMarks = {
  group: 'hostward.io/group',
  allHosts: 'hostward.io/all-hosts',
} as const;

/** Keys of metadata.annotations. */
export const annotationMarks = {
  tier: 'hostward.io/tier',
  until: 'hostward.io/until',
  overrideProtection: 'hostward.io/override-protection',
  posture: 'hostward.io/posture',
  owner: 'hostward.io/owner',
  reason: 'hostward.io/reason',
} as const;

/**
 * Keys of metadata.labels of a policy. `lifts`: the policy that an exception was made from. A label, since hosts of older
 * versions refuse a whole rule set for an annotation of ours that they do not know.
 */
export const labelMarks = { lifts: 'hostward.io/lifts' } as const;

/** Keys of metadata.annotations of a KubeArmorVirtualMachine. */
export const machineMarks = { sshHostKey: 'hostward.io/ssh-host-key' } as const;

/** KubeArmor's keys for the name of a host. */
export const hostnameKeys = {
  exact: 'kubearmor.io/hostname',
  glob: 'kubearmor.io/hostnamereg',
} as const;

export const MARK_PREFIX = 'hostward.io/';

/** Tier of a validated policy; a tier that is not known cannot get past validation. */
export function tierOf(policy: HostPolicy): Tier {
  const written = policy.metadata.annotations?.[annotationMarks.tier];
  return TIERS.find((tier) => tier === written) ?? 'normal';
}

/** The group that a selector names; in expressions the mark of groups is a label like any other. */
export function groupOf(selector: PolicySelector | undefined): string | undefined {
  return selector?.matchLabels?.[selectorMarks.group];
}

/** What an Allow list of the policy does to what is not listed: reports it, unless the operator set `block`. */
export function postureOf(policy: HostPolicy): Posture {
  return policy.metadata.annotations?.[annotationMarks.posture] === 'block' ? 'block' : 'audit';
}

/** End of an exception, ms since 1970; absent for other policies. */
export function untilOf(policy: HostPolicy): number | undefined {
  const written = policy.metadata.annotations?.[annotationMarks.until];
  return written === undefined ? undefined : Date.parse(written);
}

/** The policy that an exception exempts from; undefined for other policies, and for an exception that says itself what it allows. */
export function liftedPolicy(policy: HostPolicy): string | undefined {
  return tierOf(policy) === 'exception' ? policy.metadata.labels?.[labelMarks.lifts] : undefined;
}

/** Whether the author said that the policy may touch the protected control path (D11). */
export function overridesProtection(policy: HostPolicy): boolean {
  return policy.metadata.annotations?.[annotationMarks.overrideProtection] === 'true';
}

/** `ssh-ed25519` and 51 bytes in base64: name of the type and the key, each with its length before it. */
const SSH_ED25519 = /^ssh-ed25519 (AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43})(?: .*)?$/;

/** The ssh host key that an operator declared for a machine, without its comment; absent where none, or no such key, is. */
export function sshHostKeyOf({ metadata }: VirtualMachine): string | undefined {
  const blob = SSH_ED25519.exec(metadata.annotations?.[machineMarks.sshHostKey]?.trim() ?? '')?.[1];
  return blob === undefined ? undefined : `ssh-ed25519 ${blob}`;
}
