/**
 * Targeting (D4). A selector is a list of terms; a node is selected when every term holds, and a selector
 * without terms selects nothing: forgetting the selector must never reach the whole fleet. There is no OR between
 * labels and no prefix match anywhere, so `web1` and `web10` are two names like any others. Terms are what the naive
 * matcher below, `explainSelection` and the inverted index (target-index.ts) share.
 */
import { matchesGlob } from './glob.js';
import type { LabelExpression, LabelSelector, PolicySelector } from './kinds.js';
import { hostnameKeys, selectorMarks } from './marks.js';
import type { TargetNode } from './node.js';

export type Term =
  | { readonly type: 'hostname'; readonly names: readonly string[]; readonly written: string }
  | { readonly type: 'hostname-glob'; readonly glob: string }
  | { readonly type: 'all-hosts'; readonly value: string }
  | { readonly type: 'group'; readonly group: string }
  | { readonly type: 'expression'; readonly expression: LabelExpression };

export type Groups = ReadonlyMap<string, LabelSelector>;

/** The terms of a selector; all of them must hold. */
export function termsOf(selector: PolicySelector): readonly Term[] {
  const labels = Object.entries(selector.matchLabels ?? {}).map(([key, value]) =>
    labelTerm(key, value),
  );
  const expressions = (selector.matchExpressions ?? []).map((expression): Term => ({
    type: 'expression',
    expression,
  }));
  return [...labels, ...expressions];
}

function labelTerm(key: string, value: string): Term {
  switch (key) {
    case hostnameKeys.exact:
      return hostnameTerm(value);
    case hostnameKeys.glob:
      return { type: 'hostname-glob', glob: value };
    case selectorMarks.allHosts:
      return { type: 'all-hosts', value };
    case selectorMarks.group:
      return { type: 'group', group: value };
    default:
      return { type: 'expression', expression: { key, operator: 'In', values: [value] } };
  }
}

function hostnameTerm(value: string): Term {
  if (value.trim() === '*') return { type: 'hostname-glob', glob: '*' };
  return { type: 'hostname', names: commaList(value), written: value };
}

/** Elements of KubeArmor's comma lists, without spaces and empty elements. */
export function commaList(value: string): readonly string[] {
  return value
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '');
}

/** The value a node has for a label key; its name for KubeArmor's hostname key, whatever its labels say. */
export function labelOf(node: TargetNode, key: string): string | undefined {
  if (key === hostnameKeys.exact) return node.name;
  return Object.hasOwn(node.labels, key) ? node.labels[key] : undefined;
}

/** Kubernetes' meaning: NotIn also holds for a node without the label. */
function expressionHolds(expression: LabelExpression, node: TargetNode): boolean {
  const value = labelOf(node, expression.key);
  const listed = value !== undefined && (expression.values ?? []).includes(value);
  switch (expression.operator) {
    case 'In':
      return listed;
    case 'NotIn':
      return !listed;
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

/** Whether one term holds; `inGroup` answers for groups, so that the index can use what it knows already. */
export function termHolds(
  term: Term,
  node: TargetNode,
  inGroup: (group: string) => boolean,
): boolean {
  switch (term.type) {
    case 'hostname':
      return term.names.includes(node.name);
    case 'hostname-glob':
      return matchesGlob(term.glob, node.name);
    case 'all-hosts':
      return term.value === 'true';
    case 'group':
      return inGroup(term.group);
    case 'expression':
      return expressionHolds(term.expression, node);
  }
}

/** Whether all of at least one term hold. */
export function termsHold(
  terms: readonly Term[],
  node: TargetNode,
  inGroup: (group: string) => boolean,
): boolean {
  return terms.length > 0 && terms.every((term) => termHolds(term, node, inGroup));
}

/** Whether a group selects a node; a group that does not exist, or that names a group, selects none. */
export function groupSelects(group: string, node: TargetNode, groups: Groups): boolean {
  const selector = groups.get(group);
  return selector !== undefined && termsHold(termsOf(selector), node, () => false);
}

/** Whether a policy's selector selects a node, given all groups. The definition of targeting: slow, and right. */
export function selectsNode(selector: PolicySelector, node: TargetNode, groups: Groups): boolean {
  return termsHold(termsOf(selector), node, (group) => groupSelects(group, node, groups));
}
