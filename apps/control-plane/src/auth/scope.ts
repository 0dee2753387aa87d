import {
  parseSelector,
  selectsNode,
  SelectorSyntaxError,
  type LabelExpression,
  type LabelSelector,
  type PolicySelector,
  type TargetNode,
} from '#policy-model';

const RESERVED = /^(?:hostward\.io|kubearmor\.io)\//;
const NO_GROUPS = new Map<string, LabelSelector>();

/**
 * The hosts that a caller sees and touches, by their labels alone. Groups and names are refused in it: whoever may
 * change a group or choose a name could else widen it.
 */
export class Scope {
  readonly #terms: readonly LabelExpression[];

  private constructor(
    /** As it was written. */
    readonly text: string,
    readonly selector: LabelSelector,
  ) {
    this.#terms = termsOf(selector);
  }

  /** Throws SelectorSyntaxError. */
  static parse(text: string): Scope {
    const scope = new Scope(text, parseSelector(text));
    const reserved = scope.#terms.find(({ key }) => RESERVED.test(key));
    if (reserved === undefined) return scope;
    throw new SelectorSyntaxError(
      text,
      1,
      `${reserved.key} cannot be part of a scope`,
      'name the hosts by labels of their own',
    );
  }

  /** Whether the host is one of them now. */
  has(node: TargetNode): boolean {
    return selectsNode(this.selector, node, NO_GROUPS);
  }

  /**
   * Whether a selector can select no host outside, whatever hosts there will be: each term of the scope must follow
   * from a term of the selector. What only follows from what groups say now does not count.
   */
  contains(selector: PolicySelector): boolean {
    const terms = termsOf(selector);
    return this.#terms.every((wanted) => terms.some((term) => implies(term, wanted)));
  }
}

function termsOf({ matchLabels = {}, matchExpressions = [] }: PolicySelector) {
  const labels = Object.entries(matchLabels).map(([key, value]): LabelExpression => ({
    key,
    operator: 'In',
    values: [value],
  }));
  return [...labels, ...matchExpressions];
}

/** Whether every host for which `term` holds is one for which `wanted` does; false where that is not plain. */
function implies(term: LabelExpression, wanted: LabelExpression): boolean {
  if (term.key !== wanted.key) return false;
  const has = new Set(term.values ?? []);
  const listed = wanted.values ?? [];
  switch (wanted.operator) {
    case 'In':
      return term.operator === 'In' && [...has].every((value) => listed.includes(value));
    case 'NotIn':
      if (term.operator === 'In') return !listed.some((value) => has.has(value));
      if (term.operator === 'NotIn') return listed.every((value) => has.has(value));
      return term.operator === 'DoesNotExist';
    case 'Exists':
      return term.operator === 'In' || term.operator === 'Exists';
    case 'DoesNotExist':
      return term.operator === 'DoesNotExist';
  }
}
