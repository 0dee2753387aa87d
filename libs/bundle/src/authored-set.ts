import {
  groupOf,
  type Group,
  type HostPolicy,
  type LabelSelector,
  type TargetNode,
  overridesProtection,
  rulesOf,
  selectsNode,
  tierOf,
  validateDocument,
} from '#policy-model';
import { mayAuthor, type Need } from './author.js';
import type { SuspensionOrder } from './assignment.js';
import {
  type Authored,
  type LabelsDocument,
  verifyAuthored,
  verifyLabels,
  verifySuspension,
} from './authored.js';
import type { BundledDocument, OpenedBundle } from './bundle.js';
import { RefusedError, malformed } from './errors.js';
import {
  type MinimumVersion,
  type MinimumVersions,
  checkMinimumVersion,
} from './minimum-versions.js';
import type { PolicyDocument } from './policy.js';
import type { RootDocument } from './root.js';
import { type SuspensionDocument, isTargeted } from './suspension.js';

/** All that authored mode decides by: what came, what this host has seen, and whom it believes. */
export interface AuthoredInquiry {
  readonly root: RootDocument;
  readonly nodeId: string;
  readonly bundle: OpenedBundle;
  /** The signed labels of the assignment. */
  readonly labels?: unknown;
  readonly minimumVersions: MinimumVersions;
  /** ms since 1970. */
  readonly now: number;
}

/** A policy that selects this host, by its authors' word. */
export interface AuthoredPolicy {
  readonly name: string;
  readonly version: number;
  readonly revision: string;
  /** SHA-256 (hex) of the bytes that were signed. */
  readonly digest: string;
  readonly document: unknown;
  /** Key ids of the authors whose signature counts here. */
  readonly authors: readonly string[];
}

type HeadOf<T> = Authored<T> & { readonly revision: string };
type Head = HeadOf<PolicyDocument>;

/**
 * What of a bundle this host is to enforce in authored mode, and what it is to remember. The bundle holds the newest
 * version of every policy and group, deletions too, so that nothing seen before can be left out; the host itself finds
 * what selects it, by signed groups and labels. Each failure is a RefusedError: what is enforced then stays.
 */
export function selectAuthored(inquiry: AuthoredInquiry): {
  readonly policies: readonly AuthoredPolicy[];
  readonly suspension?: SuspensionOrder;
  readonly minimumVersions: MinimumVersions;
} {
  const { root, bundle, minimumVersions } = inquiry;
  if (!bundle.groups) malformed('bundle', 'has no groups, which authored mode needs');
  const verify = (kind: 'policy' | 'group') => (envelope: unknown, path: string) =>
    verifyAuthored(envelope, kind, root, path);
  const policies = headsOf(bundle.policies, 'policy', verify('policy'), minimumVersions.policies);
  const groups = headsOf(bundle.groups, 'group', verify('group'), minimumVersions.groups);
  const suspensions = headsOf(
    bundle.suspensions ?? [],
    'suspension',
    (envelope, path) => verifySuspension(envelope, root, path),
    minimumVersions.suspensions ?? {},
  );
  const node = labelsOf(inquiry);
  const judge = new Judge(root, node, groups, minimumVersions);
  const judged = [...policies.values()].map((head) => judge.policy(head));
  return {
    policies: judged.flatMap(({ policy }) => (policy ? [policy] : [])),
    suspension: suspensionOf([...suspensions.values()], inquiry, node),
    minimumVersions: {
      v: 1,
      policies: Object.fromEntries(
        judged.map(({ name, minimumVersion }) => [name, minimumVersion]),
      ),
      groups: Object.fromEntries([...groups].map(([name, head]) => [name, minimumVersionOf(head)])),
      ...(suspensions.size > 0 && {
        suspensions: Object.fromEntries(
          [...suspensions].map(([name, head]) => [name, minimumVersionOf(head)]),
        ),
      }),
      ...(node && { labels: { ...minimumVersionOf(node), labels: node.document.labels } }),
    },
  };
}

/** Verified, in the order of names, none below its minimum version, and none missing that was seen before. */
function headsOf<T extends { readonly name: string; readonly version: number }>(
  documents: readonly BundledDocument[],
  kind: string,
  verify: (envelope: unknown, path: string) => Authored<T>,
  minimumVersions: Readonly<Record<string, MinimumVersion>>,
): ReadonlyMap<string, HeadOf<T>> {
  const heads = new Map<string, HeadOf<T>>();
  let before = '';
  documents.forEach(({ envelope, revision }, index) => {
    const head = { ...verify(envelope, `bundle.${kind}[${index}]`), revision };
    const { name, version } = head.document;
    if (name <= before) malformed('bundle', 'is not in the order of names, or names one twice');
    before = name;
    checkMinimumVersion(
      own(minimumVersions, name),
      { version, digest: head.digest },
      `${kind} ${name}`,
    );
    heads.set(name, head);
  });
  const missing = Object.keys(minimumVersions).filter((name) => !heads.has(name));
  if (missing.length > 0) withheld(kind, missing);
  return heads;
}

/** The strongest that is for this host, whose authors may suspend here, and whose time is not over. */
function suspensionOf(
  heads: readonly HeadOf<SuspensionDocument>[],
  { root, nodeId, now }: AuthoredInquiry,
  node: Authored<LabelsDocument> | undefined,
): SuspensionOrder | undefined {
  const labels = node?.document.labels ?? {};
  const threshold = root.thresholds?.documents ?? 1;
  const need: Need = { kind: 'suspension', labels };
  const orders = heads.flatMap(({ document, signers }): readonly SuspensionOrder[] => {
    if (document.deleted || document.until <= now) return [];
    if (!isTargeted(document.target, { nodeId, labels })) return [];
    if (signers.filter((author) => mayAuthor(author, need)).length < threshold) return [];
    const { mode, until, reason } = document;
    return [{ mode, until, reason }];
  });
  return orders.sort(
    (a, b) => Number(b.mode === 'off') - Number(a.mode === 'off') || b.until - a.until,
  )[0];
}

function withheld(kind: string, names: readonly string[]): never {
  const shown = names.slice(0, 5).join(', ');
  throw new RefusedError(
    'withheld',
    `${kind} ${shown}${names.length > 5 ? ` and ${names.length - 5} more` : ''}: was seen here and is not in this ` +
      'bundle; only a signed deletion ends it',
  );
}

function labelsOf({
  labels: signed,
  root,
  nodeId,
  minimumVersions: { labels: minimumVersion },
}: AuthoredInquiry): Authored<LabelsDocument> | undefined {
  if (signed === undefined) {
    if (minimumVersion) withheld('labels', ['of this host']);
    return undefined;
  }
  const labels = verifyLabels(signed, root);
  if (labels.document.nodeId !== nodeId)
    throw new RefusedError('not-for-this-node', 'labels: of another host');
  checkMinimumVersion(
    minimumVersion,
    { version: labels.document.version, digest: labels.digest },
    'labels',
  );
  const changed = minimumVersion?.digest !== labels.digest;
  for (const held of changed ? [minimumVersion?.labels, labels.document.labels] : [])
    demand(labels, { kind: 'labels', labels: held }, root.thresholds?.documents ?? 1, 'labels');
  return labels;
}

function selectorsOf(groups: ReadonlyMap<string, Head>): ReadonlyMap<string, LabelSelector> {
  const selectors = new Map<string, LabelSelector>();
  for (const [name, { document }] of groups) {
    if (document.deleted) continue;
    const group: Group = documentOf(document, 'Group', `group ${name}`);
    selectors.set(name, group.spec.selector);
  }
  return selectors;
}

/** Judges each policy by itself. */
class Judge {
  readonly #node: TargetNode;
  /** As it was labelled when it took something last. */
  readonly #before: TargetNode;
  readonly #selectors: ReadonlyMap<string, LabelSelector>;
  readonly #thresholds: { readonly documents: number; readonly overrides: number };

  constructor(
    root: RootDocument,
    private readonly labels: Authored<LabelsDocument> | undefined,
    private readonly groups: ReadonlyMap<string, Head>,
    private readonly minimumVersions: MinimumVersions,
  ) {
    this.#thresholds = root.thresholds ?? { documents: 1, overrides: 1 };
    this.#node = labels?.document ?? { name: '', labels: {} };
    this.#before = { name: this.#node.name, labels: minimumVersions.labels?.labels ?? {} };
    this.#selectors = selectorsOf(groups);
  }

  policy(head: Head): {
    readonly name: string;
    readonly minimumVersion: MinimumVersion;
    readonly policy?: AuthoredPolicy;
  } {
    const { name, version, content } = head.document;
    const path = `policy ${name}`;
    this.#mayEnd(head, path);
    const policy =
      content === undefined ? undefined : documentOf(head.document, 'KubeArmorHostPolicy', path);
    const isSelected =
      policy !== undefined && selectsNode(policy.spec.nodeSelector, this.#node, this.#selectors);
    if (policy) this.#mayMove(head, policy, isSelected);
    if (!policy || !isSelected) return { name, minimumVersion: minimumVersionOf(head) };
    const held = characterOf(policy);
    const authors = this.#mayEnforce(head, policy, held, path);
    return {
      name,
      minimumVersion: { ...minimumVersionOf(head), held },
      policy: {
        ...{ name, version, revision: head.revision, digest: head.digest },
        ...{ document: content, authors },
      },
    };
  }

  /** Another version of what is enforced here comes only from who may sign for that. */
  #mayEnd(head: Head, path: string): void {
    const minimumVersion = own(this.minimumVersions.policies, head.document.name);
    if (!minimumVersion?.held || minimumVersion.digest === head.digest) return;
    demand(head, this.#need(minimumVersion.held), this.#thresholds.documents, path);
  }

  /**
   * A group begins and ends a version that was seen, and labels end it: those are of other authors than the policy, who
   * need a scope that has what they begin or end.
   */
  #mayMove({ document: { name }, digest }: Head, policy: HostPolicy, isSelected: boolean): void {
    const minimumVersion = own(this.minimumVersions.policies, name);
    if (minimumVersion?.digest !== digest || (minimumVersion.held !== undefined) === isSelected)
      return;
    const { nodeSelector } = policy.spec;
    const path = `${isSelected ? 'begins' : 'ends'} policy ${name}`;
    const group = this.#changedGroup(groupOf(nodeSelector));
    const need = { ...this.#need(characterOf(policy)), labels: this.#before.labels };
    const { documents } = this.#thresholds;
    if (group && selectsNode(nodeSelector, this.#before, this.#selectors) === isSelected)
      demand(group, { ...need, kind: 'group' }, documents, `group ${group.document.name} ${path}`);
    else if (
      !isSelected &&
      this.labels &&
      this.labels.digest !== this.minimumVersions.labels?.digest
    )
      demand(this.labels, { ...need, kind: 'labels' }, documents, `labels: ${path}`);
  }

  #changedGroup(name: string | undefined): Head | undefined {
    const group = name === undefined ? undefined : this.groups.get(name);
    const minimumVersion = name === undefined ? undefined : own(this.minimumVersions.groups, name);
    return group?.digest === minimumVersion?.digest ? undefined : group;
  }

  #mayEnforce(
    head: Head,
    policy: HostPolicy,
    held: NonNullable<MinimumVersion['held']>,
    path: string,
  ): readonly string[] {
    const { documents, overrides } = this.#thresholds;
    const threshold = overridesProtection(policy) ? overrides : documents;
    return demand(head, this.#need(held), threshold, path);
  }

  #need({ tier, sections }: NonNullable<MinimumVersion['held']>): Need {
    return { kind: 'policy', tier, sections, labels: this.#node.labels };
  }
}

/** What of a policy an author's scope is about. */
export function characterOf(policy: HostPolicy): NonNullable<MinimumVersion['held']> {
  const sections = new Set(rulesOf(policy).map(({ id }) => id.split('/')[0] ?? ''));
  return { tier: tierOf(policy), sections: [...sections].sort() };
}

/** Key ids of the signers that may sign what is needed; too few are refused. */
function demand(
  { signers }: Pick<Authored<unknown>, 'signers'>,
  need: Need,
  threshold: number,
  path: string,
): readonly string[] {
  const able = signers.filter((author) => mayAuthor(author, need)).map(({ keyid }) => keyid);
  if (able.length >= threshold) return able;
  throw new RefusedError(
    'out-of-scope',
    `${path}: ${able.length} of the ${threshold} authors that must sign it may do so on this host`,
  );
}

function minimumVersionOf({
  document: { version },
  digest,
}: Authored<{ readonly version: number }>): MinimumVersion {
  return { version, digest };
}

/** `__proto__` is no name of ours, but a minimum version must not be found where none is. */
function own<T>(map: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

interface Kinds {
  readonly KubeArmorHostPolicy: HostPolicy;
  readonly Group: Group;
}

/** The content as the document that its name says; throws `policy-invalid`. */
function documentOf<K extends keyof Kinds>(
  { name, content }: PolicyDocument,
  kind: K,
  path: string,
): Kinds[K] {
  const { document, diagnostics } = validateDocument(content, { mode: 'lenient' });
  if (document?.kind === kind && document.metadata.name === name) return document as Kinds[K];
  const problem =
    diagnostics.find(({ severity }) => severity === 'error')?.message ??
    `is not the ${kind} that was signed`;
  throw new RefusedError('policy-invalid', `${path}: ${problem}`);
}
