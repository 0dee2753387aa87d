import { Injectable } from '@nestjs/common';
import {
  type Authored,
  type AuthoredKind,
  type LabelsDocument,
  type Need,
  characterOf,
  mayAuthor,
  maySucceed,
} from '#bundle';
import type { FieldError } from '#contracts';
import {
  groupOf,
  type HostPolicy,
  type PolicySelector,
  labelMarks,
  liftedPolicy,
  overridesProtection,
  selectsNode,
  type TargetNode,
} from '#policy-model';
import { Trust } from '../config/trust.js';
import type { FleetState } from '../store/fleet-state.js';
import { documentError } from '../policies/field-errors.js';
import { AuthoredIndex, type SignedContent, type SignedHead } from './authored-index.js';
import { type SignedView, UNLABELLED, once } from './signed-view.js';

/** The section of an exemption (`rulesOf`). */
const LIFTS = 'lifts';

/** The fleet, and what its hosts know before and after the set. */
export interface Known {
  readonly state: FleetState;
  readonly before: SignedView;
  readonly after: SignedView;
  /** Policies outside of the set whose signers may not sign everything. */
  readonly narrow: readonly SignedPolicy[];
}

interface SignedPolicy {
  readonly policy: HostPolicy;
  readonly authored: Signed;
}

type Signed = Pick<Authored<unknown>, 'signers'>;

/** A document of a set, and its place there. */
export interface Offered {
  readonly index: number;
  readonly authored: Authored<SignedContent>;
}

/**
 * Whether the authors of a document may sign what it changes on hosts, by the rules of the hosts (`selectAuthored`): a
 * host that refuses one document takes nothing at all any more.
 */
@Injectable()
export class AuthorCheck {
  constructor(
    private readonly authored: AuthoredIndex,
    private readonly trust: Trust,
  ) {}

  /** Policies outside of the set whose signers may not sign everything. */
  narrow(
    { policies }: FleetState,
    set: ReadonlyMap<string, SignedContent>,
  ): readonly SignedPolicy[] {
    return policies.sorted().flatMap(({ record: { name, document: policy } }) => {
      const head = this.authored.get('policy', name);
      if (!policy || !head || set.has(`policy/${name}`)) return [];
      const wanted = this.#wantedFor(policy);
      return this.#areNarrow(head.authored, 'policy', wanted)
        ? [{ policy, authored: head.authored }]
        : [];
    });
  }

  /**
   * A host that was away sees this version alone, and asks its signers about what the versions in between ended and began
   * there, which these must not have less right to than whoever signed those.
   */
  ofVersion({ index, authored }: Offered, head: SignedHead): readonly FieldError[] {
    const { thresholds, authors } = this.trust.root.document;
    const ids = head.authored.signers.map(({ keyid }) => keyid);
    const wider = authors
      .filter(({ keyid }) => ids.includes(keyid))
      .find((each) => !maySucceed(authored.signers, [each], thresholds?.documents ?? 1));
    if (!wider) return [];
    const { keyid, scope } = wider;
    const who = `author ${keyid}, ${scope ? `whose scope is ${JSON.stringify(scope)}` : 'who has no scope'}`;
    const words =
      `${who}, signed version ${head.authored.document.version}, and none of these may sign all of that: ` +
      'a host that missed that version would take nothing any more';
    const remedy = 'have one who may sign as much sign it too (hostward sign --add)';
    return [documentError(index, '', words, remedy)];
  }

  /** By the signed labels of the hosts that a policy selects; each host checks by its own. */
  ofPolicy(
    offered: Offered,
    policy: HostPolicy | undefined,
    view: SignedView,
  ): readonly FieldError[] {
    if (!policy) return [];
    const { nodeSelector } = policy.spec;
    const need = { ...characterOf(policy), kind: 'policy' } as const;
    const wanted = this.#wantedFor(policy);
    // What it asks for by labels has every host that it selects.
    if (
      this.#lacking(
        offered.authored,
        [{ ...need, labels: nodeSelector.matchLabels ?? {} }],
        wanted,
      ) === undefined
    )
      return [];
    const needs = view.labelsOf(nodeSelector).map((labels): Need => ({ ...need, labels }));
    return this.#lackErrors(offered, [need, ...needs], wanted);
  }

  /**
   * Where it is for the label of an exception alone that its authors may not sign it: an exemption is of a section of its own,
   * since it opens what any section of the other policy takes.
   */
  ofExemption({ index, authored }: Offered, policy: HostPolicy): readonly FieldError[] {
    const lifted = liftedPolicy(policy);
    const wanted = this.#wantedFor(policy);
    const need = { ...characterOf(policy), kind: 'policy' } as const;
    const sections = need.sections.filter((section) => section !== LIFTS);
    const isLacking = (each: Need): boolean =>
      this.#lacking(authored, [each], wanted) !== undefined;
    if (lifted === undefined || !isLacking(need) || isLacking({ ...need, sections })) return [];
    const words =
      `exempts hosts from all that policy ${lifted} takes, which needs the signatures of ${wanted} authors whose scope ` +
      `names no sections, or "${LIFTS}" among them`;
    const remedy =
      'have such an author sign it (a root document gives the permission: hostward root add-author --sections), or leave the ' +
      'label out and write what the exception allows';
    const path = `metadata.labels.${labelMarks.lifts}`;
    return [{ ...documentError(index, path, words, remedy), value: lifted }];
  }

  /** By the policies of the group, where they begin and end, and where they are from now on. */
  ofGroup(offered: Offered, name: string, fleet: Known): readonly FieldError[] {
    const narrow = fleet.narrow.filter(({ policy }) => groupOf(policy.spec.nodeSelector) === name);
    return [
      ...this.#groupErrors(offered, name, fleet),
      ...this.#strayErrors(offered, narrow, (selector) => fleet.after.labelsOf(selector)),
    ];
  }

  /** By the labels of before and of now, and the policies that end by them and that select the host from now on. */
  ofLabels(
    offered: Offered,
    head: LabelsDocument | undefined,
    document: LabelsDocument,
    fleet: Known,
  ): readonly FieldError[] {
    const needs = this.#areNarrow(offered.authored, 'labels')
      ? labelNeeds(head, document, fleet)
      : [];
    return [
      ...this.#lackErrors(offered, needs),
      ...this.#strayErrors(offered, fleet.narrow, (selector) =>
        selectsNode(selector, document, fleet.after.groups) ? [document.labels] : [],
      ),
    ];
  }

  /** By the hosts on which a policy begins or ends by another selector of its group. */
  #groupErrors(
    offered: Offered,
    name: string,
    { state, before, after }: Known,
  ): readonly FieldError[] {
    if (!this.#areNarrow(offered.authored, 'group')) return [];
    const changed = new Map<string, readonly TargetNode['labels'][]>();
    const moved = before.withGroup(name, after.groups.get(name));
    const needs = state.policies.sorted().flatMap(({ record: { document } }): readonly Need[] => {
      const selector = document?.spec.nodeSelector;
      if (!selector || groupOf(selector) !== name) return [];
      const labels = once(changed, JSON.stringify(selector), () => {
        const was = new Set(before.selected(selector));
        const hosts = was.symmetricDifference(new Set(moved.selected(selector)));
        return [...hosts].map((host) => host.labels);
      });
      const need = { ...characterOf(document), kind: 'group' } as const;
      return labels.map((each): Need => ({ ...need, labels: each }));
    });
    return this.#lackErrors(offered, needs);
  }

  /** A host refuses, with all else, a policy that its group or its labels take to where its authors may not sign. */
  #strayErrors(
    { index }: Offered,
    policies: readonly SignedPolicy[],
    labelsOf: (selector: PolicySelector) => readonly TargetNode['labels'][],
  ): readonly FieldError[] {
    return policies.flatMap(({ policy, authored }) => {
      const { spec, metadata } = policy;
      const need = { ...characterOf(policy), kind: 'policy' } as const;
      const needs = labelsOf(spec.nodeSelector).map((labels): Need => ({ ...need, labels }));
      const lacking = this.#lacking(authored, needs, this.#wantedFor(policy));
      if (!lacking) return [];
      const words =
        `takes policy ${metadata.name} to hosts labelled ${JSON.stringify(lacking.labels)}, where its authors may not ` +
        'sign it: such a host would take nothing any more';
      const remedy = `have one who may sign policy ${metadata.name} anew, before it or in the same set`;
      return [documentError(index, '', words, remedy)];
    });
  }

  get #thresholds() {
    return this.trust.root.document.thresholds ?? { documents: 1, overrides: 1 };
  }

  #wantedFor(policy: HostPolicy): number {
    const { documents, overrides } = this.#thresholds;
    return overridesProtection(policy) ? overrides : documents;
  }

  /** Whether too few of the signers may sign everything of a kind. */
  #areNarrow(authored: Signed, kind: AuthoredKind, wanted?: number): boolean {
    const all: Need = { kind, tier: '', sections: [''], labels: {} };
    return this.#lacking(authored, [all], wanted) !== undefined;
  }

  /** The first that too few of the signers may sign. */
  #lacking(
    { signers }: Signed,
    needs: readonly Need[],
    wanted = this.#thresholds.documents,
  ): Need | undefined {
    return needs.find((need) => signers.filter((each) => mayAuthor(each, need)).length < wanted);
  }

  #lackErrors(
    offered: Offered,
    needs: readonly Need[],
    wanted = this.#thresholds.documents,
  ): readonly FieldError[] {
    const lacking = this.#lacking(offered.authored, needs, wanted);
    if (!lacking) return [];
    const { tier, sections = [], labels } = lacking;
    const what = tier === undefined ? '' : ` has tier ${tier} and ${sections.join(', ')}`;
    const where = labels ? ` ${what ? '' : 'has '}hosts labelled ${JSON.stringify(labels)}` : '';
    const words = `needs the signatures of ${wanted} authors whose scope${what}${what && where ? ' on' : ''}${where}`;
    return [fault(offered.index, words)];
  }
}

/** What labels ask for: they themselves, those of before, and each policy that ends by them or by the name beside them. */
function labelNeeds(
  head: LabelsDocument | undefined,
  document: LabelsDocument,
  { state, before, after }: Known,
): readonly Need[] {
  const need = (labels: LabelsDocument['labels']): Need => ({ kind: 'labels', labels });
  const was = head ?? UNLABELLED;
  // The index knows a host by its record, which has the name of today.
  const names =
    head?.name === document.name
      ? [...state.index.policiesOf(head.name)]
      : state.policies.sorted().map(({ record }) => record.name);
  const ended = names.flatMap((name): readonly Need[] => {
    const policy = state.policies.get(name)?.record.document;
    if (!policy || !selectsNode(policy.spec.nodeSelector, was, before.groups)) return [];
    const isKept = [before, after].every(({ groups }) =>
      selectsNode(policy.spec.nodeSelector, document, groups),
    );
    return isKept ? [] : [{ ...need(was.labels), ...characterOf(policy) }];
  });
  return [need(document.labels), ...(head ? [need(head.labels)] : []), ...ended];
}

/** What an author mends by another signature. */
export function fault(index: number, message: string): FieldError {
  return documentError(index, '', message, 'sign the document anew (hostward sign)');
}
