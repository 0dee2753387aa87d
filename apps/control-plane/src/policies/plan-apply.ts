import { isDeepStrictEqual } from 'node:util';
import { etcdKeys, type Condition, type Write } from '#etcd';
import type { ApplyDocument, ApplyVerdict, FieldError } from '#contracts';
import {
  selectorMarks,
  sshHostKeyOf,
  type Document,
  type Group,
  type HostPolicy,
  type LabelSelector,
  type ParsedDocument,
  type PolicySelector,
  type VirtualMachine,
} from '#policy-model';
import type { Stored } from '../store/record-index.js';
import type { GroupRecord } from '../records/group.record.js';
import type { NodeRecord } from '../records/node.record.js';
import { documentError, toFieldError } from './field-errors.js';
import type { Judgement } from './judge-documents.js';
import type { PolicyRecord } from '../records/policy.record.js';
import {
  nextVersion,
  unchangedPolicy,
  versionWrites,
  withOverride,
  type Revising,
} from './policy-versions.js';
import { tooManyRules } from './too-many-rules.js';

/** What of the fleet a plan looks at; all at one revision. */
export interface PlanState {
  policy(name: string): Stored<PolicyRecord> | undefined;
  deletedPolicy(name: string): Stored<PolicyRecord> | undefined;
  group(name: string): Stored<GroupRecord> | undefined;
  node(name: string): Stored<NodeRecord> | undefined;
  policiesOwnedBy(owner: string): readonly Stored<PolicyRecord>[];
  groupsOwnedBy(owner: string): readonly Stored<GroupRecord>[];
}

/** How a set of documents is to be applied. */
export interface PlanOptions extends Revising {
  readonly owner?: string;
  readonly prune: boolean;
  readonly overrideProtection: boolean;
  /** The key that signs now: what another one signed is signed anew, else a stolen one could never be taken away. */
  readonly keyid?: string;
  /** Keys of records that cannot be read and are written anew, with the number of the newest version of a policy. */
  readonly replaced?: ReadonlyMap<string, number>;
  /** Of each policy by the index of its document. */
  readonly judgements: ReadonlyMap<number, Judgement>;
}

/** What applying would do: verdict per document, and one transaction. */
export interface ApplyPlan {
  readonly documents: readonly ApplyDocument[];
  readonly conditions: readonly Condition[];
  readonly writes: readonly Write[];
  /** Selectors of the policies and groups of the set, by name. */
  readonly selectors: ReadonlyMap<string, PolicySelector>;
  readonly groups: ReadonlyMap<string, LabelSelector>;
  /** True where only lock-outs stand in the way. */
  readonly lockedOut: boolean;
}

interface Step {
  readonly verdict: ApplyVerdict;
  readonly errors?: readonly FieldError[];
  readonly warnings?: readonly FieldError[];
  readonly conditions?: readonly Condition[];
  readonly writes?: readonly Write[];
  readonly lockout?: boolean;
}

/** Decides what applying `parsed` to `state` does. Pure: the same answer for the same input. */
export function planApply(
  parsed: readonly ParsedDocument[],
  state: PlanState,
  options: PlanOptions,
): ApplyPlan {
  const seen = new Map<string, number>();
  const groups = new Set(parsed.filter(({ kind }) => kind === 'Group').map(({ name }) => name));
  const steps = parsed.map((each) => {
    const step = stepOf(each, seen, groups, state, options);
    return { each, step };
  });
  const pruned = options.prune
    ? pruneSteps(options.owner ?? '', seen, state, options, parsed.length)
    : [];
  const all = [
    ...steps.map(({ each, step }) => ({ ...toApplyDocument(each, step), step })),
    ...pruned,
  ];
  const invalid = all.filter(({ step }) => step.verdict === 'invalid');
  return {
    documents: all.map(({ step: _step, ...document }) => document),
    conditions: all.flatMap(({ step }) => step.conditions ?? []),
    writes: all.flatMap(({ step }) => step.writes ?? []),
    ...selectorsOf(parsed),
    lockedOut: invalid.length > 0 && invalid.every(({ step }) => step.lockout === true),
  };
}

function selectorsOf(parsed: readonly ParsedDocument[]) {
  const selectors = new Map<string, PolicySelector>();
  const groups = new Map<string, LabelSelector>();
  for (const { document } of parsed) {
    if (document?.kind === 'KubeArmorHostPolicy') {
      selectors.set(document.metadata.name, document.spec.nodeSelector);
    }
    if (document?.kind === 'Group') groups.set(document.metadata.name, document.spec.selector);
  }
  return { selectors, groups };
}

function toApplyDocument(each: ParsedDocument, step: Step): ApplyDocument {
  const warnings = each.diagnostics
    .filter(({ severity }) => severity === 'warning')
    .map(toFieldError);
  return {
    index: each.index,
    kind: each.kind,
    name: each.name,
    verdict: step.verdict,
    errors: step.errors ?? [],
    warnings: [...warnings, ...(step.warnings ?? [])],
  };
}

function stepOf(
  each: ParsedDocument,
  seen: Map<string, number>,
  groups: ReadonlySet<string>,
  state: PlanState,
  options: PlanOptions,
): Step {
  const errors = each.diagnostics.filter(({ severity }) => severity === 'error').map(toFieldError);
  const { document } = each;
  if (errors.length > 0 || !document) return { verdict: 'invalid', errors };
  const id = `${document.kind}/${document.metadata.name}`;
  const first = seen.get(id);
  if (first !== undefined)
    return invalid(
      each.index,
      'metadata.name',
      `is also that of document ${first}`,
      'keep one of them',
    );
  seen.set(id, each.index);
  return stepOfDocument(document, each.index, groups, state, options);
}

function stepOfDocument(
  document: Document,
  index: number,
  groups: ReadonlySet<string>,
  state: PlanState,
  options: PlanOptions,
): Step {
  switch (document.kind) {
    case 'KubeArmorHostPolicy':
      return stepOfPolicy(document, index, groups, state, options);
    case 'Group':
      return stepOfGroup(document, index, state, options);
    case 'KubeArmorVirtualMachine':
      return stepOfNode(document, state, options);
  }
}

function stepOfPolicy(
  written: HostPolicy,
  index: number,
  groups: ReadonlySet<string>,
  state: PlanState,
  options: PlanOptions,
): Step {
  const document = options.overrideProtection ? withOverride(written) : written;
  const { name } = document.metadata;
  const stored = state.policy(name);
  const foreign = foreignOwner(stored?.record.owner, options.owner, index);
  if (foreign) return foreign;
  const { lockouts = [], patterns = [] } = options.judgements.get(index) ?? {};
  const warnings = [...missingGroup(document, index, groups, state), ...patterns];
  const owner = options.owner ?? stored?.record.owner;
  const replaced = options.replaced?.get(etcdKeys.policy(name));
  const same =
    replaced === undefined &&
    stored?.record.owner === owner &&
    isDeepStrictEqual(stored?.record.document, document) &&
    isSignedBy(stored?.record, options.keyid);
  const surplus = same ? [] : tooManyRules(document, index);
  if (surplus.length > 0) return { verdict: 'invalid', errors: surplus };
  // What was taken by a version that protected less is told, and must not keep the other documents out.
  if (same)
    return {
      verdict: 'unchanged',
      warnings: [...warnings, ...lockouts],
      conditions: [unchangedPolicy(name, stored)],
    };
  if (lockouts.length > 0) return { verdict: 'invalid', errors: lockouts, lockout: true };
  const before = stored ?? state.deletedPolicy(name);
  const version = Math.max(before?.record.version ?? 0, replaced ?? 0);
  const change = stored ? 'configured' : 'created';
  const content = { change, paused: stored?.record.paused ?? false, owner, document } as const;
  return {
    verdict: change,
    warnings,
    conditions: [unchangedPolicy(name, before)],
    writes: versionWrites(nextVersion(name, { version }, content, options)),
  };
}

function isSignedBy(record: PolicyRecord | undefined, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  return record?.envelope?.signatures.some(({ keyid }) => keyid === wanted) === true;
}

function stepOfGroup(document: Group, index: number, state: PlanState, options: PlanOptions): Step {
  const { name } = document.metadata;
  const stored = state.group(name);
  const foreign = foreignOwner(stored?.record.owner, options.owner, index);
  if (foreign) return foreign;
  const owner = options.owner ?? stored?.record.owner;
  const key = etcdKeys.group(name);
  const conditions: Condition[] = [{ key, modRevision: stored?.revision ?? 0n }];
  const same =
    options.replaced?.has(key) !== true &&
    stored?.record.owner === owner &&
    isDeepStrictEqual(stored?.record.document, document);
  if (same) return { verdict: 'unchanged', conditions };
  const record: GroupRecord = { v: 1, name, owner, at: options.at, by: options.by, document };
  const writes: Write[] = [{ type: 'put', key, value: JSON.stringify(record) }];
  return { verdict: stored ? 'configured' : 'created', conditions, writes };
}

function stepOfNode(document: VirtualMachine, state: PlanState, options: PlanOptions): Step {
  const { name } = document.metadata;
  const labels = document.metadata.labels ?? {};
  const sshHostKey = sshHostKeyOf(document);
  const stored = state.node(name);
  const key = etcdKeys.node(name);
  const conditions: Condition[] = [{ key, modRevision: stored?.revision ?? 0n }];
  const same =
    options.replaced?.has(key) !== true &&
    stored?.record.sshHostKey === sshHostKey &&
    isDeepStrictEqual({ ...stored?.record.labels }, { ...labels });
  if (stored && same) {
    return { verdict: 'unchanged', conditions };
  }
  const record: NodeRecord = {
    ...stored?.record,
    v: 1,
    name,
    labels,
    sshHostKey,
    at: options.at,
    by: options.by,
  };
  const writes: Write[] = [{ type: 'put', key, value: JSON.stringify(record) }];
  return { verdict: stored ? 'configured' : 'created', conditions, writes };
}

/** Two teams must not take a document from each other unawares: the second is told whose it is. */
function foreignOwner(
  has: string | undefined,
  wants: string | undefined,
  index: number,
): Step | undefined {
  if (has === undefined || wants === undefined || has === wants) return undefined;
  return invalid(
    index,
    'metadata.name',
    `belongs to the set of ${JSON.stringify(has)}`,
    `choose another name, or apply with owner=${has}`,
  );
}

function missingGroup(
  document: HostPolicy,
  index: number,
  groups: ReadonlySet<string>,
  state: PlanState,
): readonly FieldError[] {
  const group = document.spec.nodeSelector.matchLabels?.[selectorMarks.group];
  if (group === undefined || groups.has(group) || state.group(group)) return [];
  return [
    documentError(
      index,
      'spec.nodeSelector.matchLabels',
      `there is no group ${JSON.stringify(group)} yet, so no host is selected`,
      'apply the group too',
    ),
  ];
}

type PrunedDocument = ApplyDocument & { readonly step: Step };

function pruneSteps(
  owner: string,
  seen: ReadonlyMap<string, number>,
  state: PlanState,
  options: PlanOptions,
  firstIndex: number,
): readonly PrunedDocument[] {
  const policies = state
    .policiesOwnedBy(owner)
    .filter(({ record }) => !seen.has(`KubeArmorHostPolicy/${record.name}`))
    .map((stored) => ({
      kind: 'KubeArmorHostPolicy',
      name: stored.record.name,
      step: deletePolicy(stored, options),
    }));
  const groups = state
    .groupsOwnedBy(owner)
    .filter(({ record }) => !seen.has(`Group/${record.name}`))
    .map((stored) => ({ kind: 'Group', name: stored.record.name, step: deleteGroup(stored) }));
  return [...policies, ...groups].map((each, offset) => ({
    ...each,
    index: firstIndex + offset,
    verdict: 'pruned',
    errors: [],
    warnings: [],
  }));
}

/** Deletes a policy: a version without a document, signed like any other. */
function deletePolicy(stored: Stored<PolicyRecord>, revising: Revising): Step {
  const { name, owner } = stored.record;
  const record = nextVersion(
    name,
    stored.record,
    { change: 'deleted', paused: false, owner },
    revising,
  );
  return {
    verdict: 'pruned',
    conditions: [unchangedPolicy(name, stored)],
    writes: versionWrites(record),
  };
}

/** Deletes a group. */
function deleteGroup(stored: Stored<GroupRecord>): Step {
  const key = etcdKeys.group(stored.record.name);
  return {
    verdict: 'pruned',
    conditions: [{ key, modRevision: stored.revision }],
    writes: [{ type: 'delete', key }],
  };
}

function invalid(index: number, path: string, message: string, remedy: string): Step {
  return { verdict: 'invalid', errors: [documentError(index, path, message, remedy)] };
}
