/**
 * The schema of KubeArmorHostPolicy, in our words, once. Both validators read it: `crd` takes it as it stands, so that
 * what passes here passes Kubernetes' API server; `lenient` follows the remarks in it that the CRD does not know
 * (`aliases`, `optionalIfLenient`, the corrections of text-rules.ts). A property test holds it against the CRD's facts.
 */
import { type TextRule, textRules } from './text-rules.js';

export type Field =
  | ObjectField
  | { readonly type: 'array'; readonly items: Field; readonly maxItems?: number }
  | { readonly type: 'text'; readonly text: TextRule }
  | IntegerField
  | { readonly type: 'boolean' }
  /** A map from any key to text. */
  | { readonly type: 'map' }
  /** Our own: matchExpressions, which the CRD of host policies does not have. */
  | { readonly type: 'lenient-only'; readonly field: Field; readonly instead: string }
  /** Read by nobody: what an API server adds to a document. */
  | { readonly type: 'ignored' };

export interface ObjectField {
  readonly type: 'object';
  readonly fields: Readonly<Record<string, Field>>;
  readonly required?: readonly string[];
  /** Of the required ones, those that KubeArmor does without when no Kubernetes checks. */
  readonly optionalIfLenient?: readonly string[];
  /** Wrong names whose meaning is clear. */
  readonly aliases?: Readonly<Record<string, string>>;
}

export interface IntegerField {
  readonly type: 'integer';
  readonly minimum: number;
  readonly maximum: number;
  /** 0 stands for "not set" where no Kubernetes checks. */
  readonly zeroIsUnset?: boolean;
}

const text = (rule: TextRule): Field => ({ type: 'text', text: rule });
const list = (items: Field, maxItems?: number): Field => ({ type: 'array', items, maxItems });
const object = (
  fields: Readonly<Record<string, Field>>,
  more: Omit<ObjectField, 'type' | 'fields'> = {},
): ObjectField => ({ type: 'object', fields, ...more });

const flag: Field = { type: 'boolean' };
const anyText = text(textRules.any);
const int32 = { type: 'integer', minimum: -(2 ** 31), maximum: 2 ** 31 - 1 } as const;

const unactioned = {
  severity: { type: 'integer', minimum: 1, maximum: 10, zeroIsUnset: true },
  tags: list(anyText),
  message: anyText,
} as const;

const attributes = { ...unactioned, action: text(textRules.action) } as const;

const sources = list(object({ path: text(textRules.file) }));

const owned = { ownerOnly: flag, ...attributes } as const;
const guarded = { ...owned, pts: flag, fromSource: sources } as const;

const directories = (more: Readonly<Record<string, Field>>): Field =>
  list(
    object(
      { dir: text(textRules.directory), recursive: flag, ...guarded, ...more },
      { required: ['dir'], aliases: { path: 'dir', directory: 'dir' } },
    ),
  );

const patterns = (more: Readonly<Record<string, Field>>): Field =>
  list(
    object(
      { pattern: anyText, ...owned, ...more },
      { required: ['pattern'], aliases: { path: 'pattern' } },
    ),
  );

const processSection = object({
  ...attributes,
  matchPaths: list(
    object({
      path: text(textRules.file),
      execname: text(textRules.execname),
      allowedArgs: list(anyText, 20),
      ...guarded,
    }),
  ),
  matchDirectories: directories({}),
  matchPatterns: patterns({}),
});

const fileSection = object({
  ...attributes,
  matchPaths: list(
    object({ path: text(textRules.file), readOnly: flag, ...guarded }, { required: ['path'] }),
  ),
  matchDirectories: directories({ readOnly: flag }),
  matchPatterns: patterns({ readOnly: flag }),
});

const networkSection = object({
  ...attributes,
  matchProtocols: list(
    object(
      { protocol: text(textRules.protocol), fromSource: sources, ...attributes },
      { required: ['protocol', 'fromSource'], optionalIfLenient: ['fromSource'] },
    ),
  ),
  matchDNSQueries: list(
    object({ domain: anyText, fromSource: sources, ...attributes }, { required: ['domain'] }),
  ),
});

const capabilitiesSection = object({
  ...attributes,
  matchCapabilities: list(
    object(
      { capability: text(textRules.capability), fromSource: sources, ...attributes },
      { required: ['capability', 'fromSource'], optionalIfLenient: ['fromSource'] },
    ),
  ),
});

const syscalls = list(text(textRules.syscall));
const syscallSources = list(object({ path: text(textRules.file), dir: anyText, recursive: flag }));

const syscallsSection = object({
  ...unactioned,
  matchSyscalls: list(object({ syscall: syscalls, fromSource: syscallSources })),
  matchPaths: list(
    object({
      path: text(textRules.fileOrDirectory),
      recursive: flag,
      syscall: syscalls,
      fromSource: syscallSources,
    }),
  ),
});

const deviceSection = object({
  ...attributes,
  matchDevice: list(
    object(
      {
        class: anyText,
        subClass: int32,
        protocol: int32,
        level: { ...int32, minimum: 1 },
        ...attributes,
      },
      { required: ['class'] },
    ),
  ),
});

const expressions = list(
  object(
    { key: anyText, operator: anyText, values: list(anyText) },
    { required: ['key', 'operator'] },
  ),
);

const nodeSelector = object({
  matchLabels: { type: 'map' },
  matchExpressions: {
    type: 'lenient-only',
    field: expressions,
    instead: 'use matchLabels, or validate without --mode crd',
  },
});

/** `spec` of a KubeArmorHostPolicy. */
export const hostPolicySpec = object(
  {
    ...attributes,
    nodeSelector,
    process: processSection,
    file: fileSection,
    network: networkSection,
    capabilities: capabilitiesSection,
    syscalls: syscallsSection,
    device: deviceSection,
    apparmor: anyText,
  },
  { required: ['nodeSelector'] },
);

const ignored: Field = { type: 'ignored' };

/** What Kubernetes' API server accepts as metadata of a cluster-wide object. */
const metadata = object(
  {
    name: anyText,
    namespace: anyText,
    labels: { type: 'map' },
    annotations: { type: 'map' },
    creationTimestamp: ignored,
    deletionGracePeriodSeconds: ignored,
    deletionTimestamp: ignored,
    finalizers: ignored,
    generateName: ignored,
    generation: ignored,
    managedFields: ignored,
    ownerReferences: ignored,
    resourceVersion: ignored,
    selfLink: ignored,
    uid: ignored,
  },
  { required: ['name'] },
);

/** A whole KubeArmorHostPolicy. */
export const hostPolicySchema = object(
  { apiVersion: anyText, kind: anyText, metadata, spec: hostPolicySpec, status: ignored },
  { required: ['apiVersion', 'kind', 'metadata', 'spec'] },
);
