import type { LabelsDocument, PolicyDocument } from '#bundle';
import { type LabelSelector, type TargetNode, validateDocument } from '#policy-model';
import type { FleetState } from '../fleet/fleet-state.js';
import type { AuthoredShelf, SignedContent } from './authored-shelf.js';

/** A host as it sees itself before an author gave it a name and labels. */
export const UNLABELLED: TargetNode = { name: '', labels: {} };

/** What hosts select policies by once they have taken a set of documents: their signed labels, and signed groups. */
export class SignedView {
  #hosts: readonly TargetNode[] | undefined;
  #groups: ReadonlyMap<string, LabelSelector> | undefined;

  constructor(
    private readonly state: FleetState,
    private readonly shelf: Pick<AuthoredShelf, 'heads' | 'get'>,
    private readonly set: ReadonlyMap<string, SignedContent> = new Map(),
  ) {}

  /** Enrolled hosts. */
  get hosts(): readonly TargetNode[] {
    this.#hosts ??= this.state.nodes.sorted().flatMap(({ record }) => {
      const nodeId = record.enrollment?.nodeId;
      return nodeId === undefined ? [] : [this.#labelsOf(nodeId) ?? UNLABELLED];
    });
    return this.#hosts;
  }

  get groups(): ReadonlyMap<string, LabelSelector> {
    if (this.#groups) return this.#groups;
    const heads = this.shelf.heads('group').map(({ authored }) => authored.document);
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

  #labelsOf(nodeId: string): LabelsDocument | undefined {
    const document =
      this.set.get(`labels/${nodeId}`) ?? this.shelf.get('labels', nodeId)?.authored.document;
    return document as LabelsDocument | undefined;
  }
}
