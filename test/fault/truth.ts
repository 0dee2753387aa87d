import type { AuditLogEntry } from '#bundle';
import type { InForce, Labels, Line, SuspendMode } from './history.js';

/** A policy as etcd held it; without a selector it was deleted. */
export interface PolicyVersion {
  readonly revision: number;
  readonly change: string;
  readonly paused: boolean;
  readonly selector?: Labels;
  readonly marker?: string;
}

export interface NodeVersion {
  readonly nodeId?: string;
  readonly labels: Labels;
  /** Of several Redis the one that it is on, where that is not the main one. */
  readonly shard?: string;
}

/** How etcd calls each of two Redis that hosts are split over. */
export const SHARD_OF = { redis: 'main', 'redis-b': 'b' } as const;

/** An identity that is served, and the Redis that it is on. */
export interface Placed {
  readonly nodeId: string;
  readonly shard: string;
}

/** Break-glass as etcd held it. */
export interface Suspension {
  readonly reason: string;
  readonly mode: SuspendMode;
  readonly target: { readonly node?: string; readonly selector?: string };
}

interface PolicyValue {
  readonly change: string;
  readonly paused: boolean;
  readonly document?: {
    readonly spec: {
      readonly nodeSelector: { readonly matchLabels?: Labels };
      readonly process?: { readonly matchPaths?: readonly { readonly path: string }[] };
    };
  };
}

interface NodeValue {
  readonly labels: Labels;
  readonly enrollment?: { readonly nodeId: string; readonly redisShard?: string };
}

/** What one revision changed of what hosts are to enforce, and the entry of the audit log that it brought. */
export interface Commit {
  readonly revision: number;
  /** Index of its line. */
  readonly at: number;
  readonly policies: ReadonlyMap<string, PolicyVersion>;
  readonly nodes: ReadonlyMap<string, NodeVersion | undefined>;
  readonly revoked: readonly string[];
  /** By their ids; without a value one was ended. */
  readonly suspensions: ReadonlyMap<string, Suspension | undefined>;
  readonly entry?: AuditLogEntry;
}

/**
 * All that was ever committed, from what etcd itself told of each revision. It finds what a host is to have by a way of
 * its own, short and slow, that shares nothing with the product.
 */
export class Truth {
  readonly commits: readonly Commit[];

  constructor(history: readonly Line[]) {
    this.commits = history
      .flatMap((line, at) => (line.type === 'committed' ? [commitOf(line, at)] : []))
      .sort((a, b) => a.revision - b.revision);
  }

  /** Policies as they were at a revision, deleted ones too. */
  policiesAt(revision: number): ReadonlyMap<string, PolicyVersion> {
    const found = new Map<string, PolicyVersion>();
    for (const { policies } of this.#until(revision))
      for (const [name, policy] of policies) found.set(name, policy);
    return found;
  }

  /** What a node is to have in force at a revision; undefined where it had not enrolled then. */
  wantedAt(node: string, revision: number): InForce | undefined {
    const host = this.#nodesAt(revision).get(node);
    if (host?.nodeId === undefined) return undefined;
    const selecting = [...this.policiesAt(revision)].filter(
      ([, { paused, selector }]) => selector && !paused && selects(selector, host.labels),
    );
    return Object.fromEntries(selecting.map(([name, policy]) => [name, policy.revision]));
  }

  /** Enrolled nodes that a version of a policy selects all the time until a revision, or until its next version. */
  selectedThroughout(policy: string, revision: number, until: number): readonly string[] {
    const selector = this.policyAt(policy, revision)?.selector;
    if (selector === undefined) return [];
    const later = this.commits.filter((commit) => commit.revision > revision);
    const next = later.find(({ policies }) => policies.has(policy))?.revision ?? Infinity;
    const meanwhile = later.filter((commit) => commit.revision < next && commit.revision <= until);
    const names = new Set(this.commits.flatMap(({ nodes }) => [...nodes.keys()]));
    return [...names].filter((name) => {
      const moves = meanwhile.flatMap(({ nodes }) => (nodes.has(name) ? [nodes.get(name)] : []));
      return [this.nodeAt(name, revision), ...moves].every(
        (node) => node?.nodeId !== undefined && selects(selector, node.labels),
      );
    });
  }

  /** How far a node is let off at a revision: of several that hold for it the weakest promise counts. */
  suspendedAt(node: string, revision: number): SuspendMode | undefined {
    const labels = this.#nodesAt(revision).get(node)?.labels ?? {};
    const modes = this.#suspensionsAt(revision).flatMap(({ mode, target }) =>
      target.node === node || (target.selector && selects(labelsOf(target.selector), labels))
        ? [mode]
        : [],
    );
    return modes.includes('off') ? 'off' : modes[0];
  }

  /** The newest version of a policy at a revision, which may be its deletion. */
  policyAt(name: string, revision: number): PolicyVersion | undefined {
    return this.#lastUntil(revision, ({ policies }) => policies.has(name))?.policies.get(name);
  }

  /** A node at a revision; undefined where there was none of this name. */
  nodeAt(name: string, revision: number): NodeVersion | undefined {
    return this.#lastUntil(revision, ({ nodes }) => nodes.has(name))?.nodes.get(name);
  }

  /** A break-glass at a revision; undefined where it was ended, or never was. */
  suspensionAt(id: string, revision: number): Suspension | undefined {
    const last = this.#lastUntil(revision, ({ suspensions }) => suspensions.has(id));
    return last?.suspensions.get(id);
  }

  /** The revision at which a policy was first applied with this marker. */
  applyOf(policy: string, marker: string): number | undefined {
    const found = this.commits.find(({ policies }) => policies.get(policy)?.marker === marker);
    return found?.revision;
  }

  /** The revision at which a break-glass with this reason was made. */
  beginOf(reason: string): number | undefined {
    const found = this.commits.find(({ suspensions }) =>
      [...suspensions.values()].some((each) => each?.reason === reason),
    );
    return found?.revision;
  }

  /** The revision at which the break-glass with this reason was ended. */
  endOf(reason: string): number | undefined {
    const made = this.commits.flatMap(({ suspensions }) => [...suspensions]);
    const [id] = made.find(([, suspension]) => suspension?.reason === reason) ?? [];
    return this.commits.find(
      ({ suspensions }) =>
        id !== undefined && suspensions.has(id) && suspensions.get(id) === undefined,
    )?.revision;
  }

  /** Nodes that are served at the end: enrolled and not revoked. */
  live(): readonly string[] {
    const nodes = [...this.#nodesAt(Infinity)];
    const revoked = new Set(this.commits.flatMap((commit) => commit.revoked));
    return nodes.flatMap(([name, host]) =>
      host.nodeId !== undefined && !revoked.has(host.nodeId) ? [name] : [],
    );
  }

  /** The identity that a node was given; undefined where it has none. */
  idOf(node: string): string | undefined {
    return this.#nodesAt(Infinity).get(node)?.nodeId;
  }

  /** Where each is that is served at the end. */
  placed(): readonly Placed[] {
    const nodes = this.#nodesAt(Infinity);
    return this.live().flatMap((node) => {
      const { nodeId, shard = SHARD_OF.redis } = nodes.get(node) ?? {};
      return nodeId === undefined ? [] : [{ nodeId, shard }];
    });
  }

  /** The identities of the machines that had this name, one after another. */
  idsOf(node: string): readonly string[] {
    return [...new Set(this.commits.flatMap(({ nodes }) => nodes.get(node)?.nodeId ?? []))];
  }

  /** The name under which an identity was enrolled. */
  nameOf(nodeId: string): string | undefined {
    const nodes = this.commits.flatMap((commit) => [...commit.nodes]);
    return nodes.find(([, node]) => node?.nodeId === nodeId)?.[0];
  }

  /** The revision at which an identity was revoked. */
  revokedAt(nodeId: string | undefined): number | undefined {
    const found = this.commits.find(
      ({ revoked }) => nodeId !== undefined && revoked.includes(nodeId),
    );
    return found?.revision;
  }

  /** What these versions of policies say, as one text. */
  wordsOf(policies: InForce): string {
    const each = Object.entries(policies).map(([name, revision]) => {
      const commit = this.commits.find((found) => found.revision === revision);
      return `${name}=${commit?.policies.get(name)?.marker ?? `version ${revision}`}`;
    });
    return each.sort().join(' ');
  }

  #nodesAt(revision: number): ReadonlyMap<string, NodeVersion> {
    const found = new Map<string, NodeVersion>();
    for (const { nodes } of this.#until(revision))
      for (const [name, node] of nodes)
        if (node === undefined) found.delete(name);
        else found.set(name, node);
    return found;
  }

  #suspensionsAt(revision: number): readonly Suspension[] {
    const found = new Map<string, Suspension | undefined>();
    for (const { suspensions } of this.#until(revision))
      for (const [id, suspension] of suspensions) found.set(id, suspension);
    return [...found.values()].filter((each) => each !== undefined);
  }

  #lastUntil(revision: number, is: (commit: Commit) => boolean): Commit | undefined {
    return this.commits.findLast((commit) => commit.revision <= revision && is(commit));
  }

  #until(revision: number): readonly Commit[] {
    return this.commits.filter((commit) => commit.revision <= revision);
  }
}

/** Whether every label of a selector is there. */
function selects(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/** Of a selector as a break-glass has it. */
export function labelsOf(selector: string): Labels {
  const words = selector.split(',').map((each) => each.split('='));
  return Object.fromEntries(words.map(([key = '', value = '']) => [key, value]));
}

function commitOf({ revision, changes }: Extract<Line, { type: 'committed' }>, at: number): Commit {
  const named = (prefix: string) =>
    changes.flatMap(({ key, value }) =>
      key.startsWith(prefix) ? [{ name: key.slice(prefix.length), value }] : [],
    );
  const head = changes.find(({ key }) => key === 'audit-log/head')?.value;
  return {
    ...{ revision, at },
    policies: new Map(
      named('policy/').map(({ name, value }) => [name, policyOf(revision, value as PolicyValue)]),
    ),
    nodes: new Map(named('node/').map(({ name, value }) => [name, nodeOf(value as NodeValue)])),
    revoked: named('revoke/').map(({ name }) => name),
    suspensions: new Map(
      named('suspend/').map(({ name, value }) => [name, value as Suspension | undefined]),
    ),
    ...(head === undefined ? {} : { entry: head as AuditLogEntry }),
  };
}

function policyOf(revision: number, value: PolicyValue | undefined): PolicyVersion {
  if (value === undefined) return { revision, change: 'deleted', paused: false };
  const { change, paused, document } = value;
  return {
    revision,
    change,
    paused,
    ...(document && {
      selector: document.spec.nodeSelector.matchLabels ?? {},
      marker: document.spec.process?.matchPaths?.[0]?.path,
    }),
  };
}

function nodeOf(value: NodeValue | undefined): NodeVersion | undefined {
  if (value === undefined) return undefined;
  const { labels, enrollment } = value;
  return { labels, nodeId: enrollment?.nodeId, shard: enrollment?.redisShard };
}
