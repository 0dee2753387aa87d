import type { LabelsDocument, PolicyDocument } from '#bundle';
import {
  groupOf,
  type LabelSelector,
  type PolicySelector,
  type TargetNode,
  selectsNode,
  validateDocument,
} from '#policy-model';
import type { FleetState } from '../store/fleet-state.js';
import type { AuthoredIndex, SignedContent } from './authored-index.js';

/** A host as it sees itself before an author gave it a name and labels. */
export const UNLABELLED: TargetNode = { name: '', labels: {} };

/** What hosts select policies by once they have taken a set of documents: their signed labels, and signed groups. */
export class SignedView {
  #hosts: readonly TargetNode[] | undefined;
  #groups: ReadonlyMap<string, LabelSelector> | undefined;
  readonly #members = new Map<string, readonly TargetNode[]>();
  readonly #selected = new Map<string, readonly TargetNode[]>();
  readonly #labels = new Map<string, readonly TargetNode['labels'][]>();

  constructor(
    private readonly state: FleetState,
    private readonly authored: Pick<AuthoredIndex, 'heads' | 'get'>,
    private readonly set: ReadonlyMap<string, SignedContent> = new Map(),
  ) {}

  /** Enrolled hosts. */
  get hosts(): readonly TargetNode[] {
    this.#hosts ??= this.state.nodes.sorted().flatMap(({ record }) => {
      const nodeId = record.enrollment?.nodeId;
      return nodeId === undefined ? [] : [this.#signedLabels(nodeId) ?? UNLABELLED];
    });
    return this.#hosts;
  }

  get groups(): ReadonlyMap<string, LabelSelector> {
    if (this.#groups) return this.#groups;
    const heads = this.authored.heads('group').map(({ authored }) => authored.document);
    const fresh = [...this.set].filter(([id]) => id.startsWith('group/')).map(([, each]) => each);
    const groups = new Map<string, LabelSelector>();
    for (const { name, content } of [...heads, ...fresh] as readonly PolicyDocument[]) {
      const { document } = validateDocument(content, { mode: 'lenient' });
      if (document?.kind === 'Group') groups.set(name, document.spec.selector);
      else groups.delete(name);
    }
    this.#groups = groups;
    return groups;
  }

  /** The same, but for one group; `undefined` where there is none of the name. */
  withGroup(name: string, selector: LabelSelector | undefined): SignedView {
    const view = new SignedView(this.state, this.authored);
    const groups = new Map(this.groups);
    if (selector) groups.set(name, selector);
    else groups.delete(name);
    view.#hosts = this.hosts;
    view.#groups = groups;
    return view;
  }

  /** The hosts that a selector selects. A set may have thousands of policies: what they have in common is asked once. */
  selected(selector: PolicySelector): readonly TargetNode[] {
    return once(this.#selected, JSON.stringify(selector), () => {
      const group = groupOf(selector);
      const hosts = group === undefined ? this.hosts : this.#membersOf(group);
      return hosts.filter((host) => selectsNode(selector, host, this.groups));
    });
  }

  /** Labels of those hosts, each once. */
  labelsOf(selector: PolicySelector): readonly TargetNode['labels'][] {
    return once(this.#labels, JSON.stringify(selector), () => {
      const hosts = this.selected(selector);
      return [...new Map(hosts.map(({ labels }) => [JSON.stringify(labels), labels])).values()];
    });
  }

  #membersOf(group: string): readonly TargetNode[] {
    return once(this.#members, group, () => {
      const selector = this.groups.get(group) ?? {};
      return this.hosts.filter((host) => selectsNode(selector, host, new Map()));
    });
  }

  #signedLabels(nodeId: string): LabelsDocument | undefined {
    const document =
      this.set.get(`labels/${nodeId}`) ?? this.authored.get('labels', nodeId)?.authored.document;
    return document as LabelsDocument | undefined;
  }
}

/** What a key stands for, made where it is not known yet. */
export function once<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}
