import type { Action, HostPolicy, Tier } from './kinds.js';

/** What of a program or file a rule names. */
export type PathMatch =
  | { readonly type: 'path'; readonly path: string }
  | { readonly type: 'execname'; readonly name: string }
  /** `dir` ends in a slash; not recursive means its direct children. */
  | { readonly type: 'directory'; readonly dir: string; readonly recursive: boolean }
  /** An AppArmor glob. */
  | { readonly type: 'pattern'; readonly pattern: string };

export interface SourceDirectory {
  readonly dir: string;
  readonly recursive: boolean;
}

export type RuleObject =
  | { readonly kind: 'process'; readonly match: PathMatch }
  | { readonly kind: 'file'; readonly match: PathMatch }
  /** Lower case: tcp, udp, icmp, icmpv6, sctp, raw, stream, dgram, rdm, seqpacket, dccp, packet, all, or unknown. */
  | { readonly kind: 'protocol'; readonly protocol: string }
  /** Lower case, without a final dot and without `*.` in front. */
  | { readonly kind: 'dns'; readonly domain: string }
  /** Lower case, without `cap_`. */
  | { readonly kind: 'capability'; readonly capability: string }
  | {
      readonly kind: 'syscall';
      readonly syscalls: readonly string[];
      readonly path?: string;
      readonly recursive: boolean;
      readonly sourceDirectories: readonly SourceDirectory[];
    }
  | {
      readonly kind: 'device';
      readonly class: string;
      readonly subClass?: number;
      readonly protocol?: number;
      readonly level?: number;
    }
  /** All that the policy of this name takes: of an exception that was made from it, beside what it spells out. */
  | { readonly kind: 'exemption'; readonly policy: string }
  /** Text in AppArmor's own language (`spec.apparmor`), which no part of Hostward takes; here so that it is reported. */
  | { readonly kind: 'apparmor'; readonly text: string };

/** One rule of a policy with everything it inherits, after comma lists are expanded. */
export interface Rule {
  /** `process/matchPaths/0`; an element of a comma list adds its place: `network/matchProtocols/0.1`. */
  readonly id: string;
  readonly policy: string;
  readonly action: Action;
  readonly tier: Tier;
  readonly severity?: number;
  readonly tags: readonly string[];
  readonly message?: string;
  readonly object: RuleObject;
  /** Absolute paths of the programs the rule is limited to; empty: every program. */
  readonly sources: readonly string[];
  readonly ownerOnly: boolean;
  readonly readOnly: boolean;
  /** What an exemption comes to, spelt out for hosts of older versions, which do not know it. It says nothing to others. */
  readonly lifts: boolean;
  readonly pts?: boolean;
  readonly allowedArgs?: readonly string[];
}

/** The policies that select a host, in canonical order (by name). */
export interface RuleSet {
  readonly policies: readonly { readonly document: HostPolicy; readonly revision: string }[];
}
