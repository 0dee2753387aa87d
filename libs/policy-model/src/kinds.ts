/**
 * The documents an operator writes, as they look after validation: plain JSON, readable by every program of the
 * project, stored in etcd and carried in bundles as they are. Field names are KubeArmor's where the kind is KubeArmor's
 * (facts: CRD of KubeArmorHostPolicy), ours otherwise. What a field means is in rules.ts (policies) and selector.ts.
 */

export const ACTIONS = ['Allow', 'Audit', 'Block'] as const;
export type Action = (typeof ACTIONS)[number];

export const TIERS = ['exception', 'baseline', 'normal'] as const;
/** Order of precedence of a whole policy (D5); `normal` is the default and KubeArmor's meaning. */
export type Tier = (typeof TIERS)[number];

/** What an Allow list does to what it does not list. */
export type Posture = 'audit' | 'block';

export interface Metadata {
  /** DNS-1123 subdomain: it becomes a key, a file name and a profile name. */
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface LabelExpression {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values?: readonly string[];
}

/** A conjunction over labels: every entry of both lists must hold. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelExpression[];
}

/** A label selector in which the marks of marks.ts may stand as keys of matchLabels. */
export type PolicySelector = LabelSelector;

/** Fields that spec, sections and rules share; a rule inherits from its section, a section from the spec. */
export interface Attributes {
  /** 1 to 10. */
  readonly severity?: number;
  readonly tags?: readonly string[];
  readonly message?: string;
  readonly action?: Action;
}

export interface Source {
  readonly path?: string;
}

interface Scoped extends Attributes {
  readonly fromSource?: readonly Source[];
}

interface Owned extends Attributes {
  readonly ownerOnly?: boolean;
}

interface Guarded extends Owned, Scoped {
  readonly pts?: boolean;
}

interface Writable {
  readonly readOnly?: boolean;
}

export interface ProcessPath extends Guarded {
  readonly path?: string;
  readonly execname?: string;
  readonly allowedArgs?: readonly string[];
}

export interface ProcessDirectory extends Guarded {
  readonly dir: string;
  readonly recursive?: boolean;
}

export interface ProcessPattern extends Owned {
  readonly pattern: string;
}

export interface ProcessSection extends Attributes {
  readonly matchPaths?: readonly ProcessPath[];
  readonly matchDirectories?: readonly ProcessDirectory[];
  readonly matchPatterns?: readonly ProcessPattern[];
}

export interface FilePath extends Guarded, Writable {
  readonly path: string;
}

export interface FileDirectory extends ProcessDirectory, Writable {}

export interface FilePattern extends ProcessPattern, Writable {}

export interface FileSection extends Attributes {
  readonly matchPaths?: readonly FilePath[];
  readonly matchDirectories?: readonly FileDirectory[];
  readonly matchPatterns?: readonly FilePattern[];
}

export interface ProtocolMatch extends Scoped {
  /** One protocol or a comma list. */
  readonly protocol: string;
}

export interface DnsMatch extends Scoped {
  /** One domain or a comma list. */
  readonly domain: string;
}

export interface NetworkSection extends Attributes {
  readonly matchProtocols?: readonly ProtocolMatch[];
  readonly matchDNSQueries?: readonly DnsMatch[];
}

export interface CapabilityMatch extends Scoped {
  /** One capability or a comma list. */
  readonly capability: string;
}

export interface CapabilitiesSection extends Attributes {
  readonly matchCapabilities?: readonly CapabilityMatch[];
}

export interface SyscallSource extends Source {
  readonly dir?: string;
  readonly recursive?: boolean;
}

export interface SyscallMatch {
  readonly syscall?: readonly string[];
  readonly fromSource?: readonly SyscallSource[];
}

export interface SyscallPath extends SyscallMatch {
  readonly path?: string;
  readonly recursive?: boolean;
}

export interface SyscallsSection extends Omit<Attributes, 'action'> {
  readonly matchSyscalls?: readonly SyscallMatch[];
  readonly matchPaths?: readonly SyscallPath[];
}

export interface DeviceMatch extends Attributes {
  readonly class: string;
  readonly subClass?: number;
  readonly protocol?: number;
  readonly level?: number;
}

export interface DeviceSection extends Attributes {
  readonly matchDevice?: readonly DeviceMatch[];
}

export interface HostPolicySpec extends Attributes {
  readonly nodeSelector: PolicySelector;
  readonly process?: ProcessSection;
  readonly file?: FileSection;
  readonly network?: NetworkSection;
  readonly capabilities?: CapabilitiesSection;
  readonly syscalls?: SyscallsSection;
  readonly device?: DeviceSection;
  readonly apparmor?: string;
}

export interface HostPolicy {
  readonly apiVersion: 'security.kubearmor.com/v1';
  readonly kind: 'KubeArmorHostPolicy';
  readonly metadata: Metadata;
  readonly spec: HostPolicySpec;
}

/** A host declared before it enrols; its labels are the node's first labels. */
export interface VirtualMachine {
  readonly apiVersion: 'security.kubearmor.com/v1';
  readonly kind: 'KubeArmorVirtualMachine';
  readonly metadata: Metadata;
}

/** A named selector; groups do not nest. */
export interface Group {
  readonly apiVersion: 'hostward.io/v1';
  readonly kind: 'Group';
  readonly metadata: Metadata;
  readonly spec: { readonly selector: LabelSelector };
}

export type Document = HostPolicy | VirtualMachine | Group;
export type Kind = Document['kind'];
