import type { LabelExpression, PolicySelector } from './kinds.js';
import type { Explanation, SelectorTest, TargetNode } from './node.js';
import { groupSelects, type Groups, labelOf, type Term, termHolds, termsOf } from './selector.js';

const ABSENT = '(absent)';

/** Each test of a selector with the node's answer to it, groups opened; `selected` agrees with `selectsNode`. */
export function explainSelection(
  selector: PolicySelector,
  node: TargetNode,
  groups: Groups,
): Explanation {
  const tests = termsOf(selector).map((term) => explainTerm(term, node, groups));
  return { selected: tests.length > 0 && tests.every((test) => test.passed), tests };
}

function explainTerm(term: Term, node: TargetNode, groups: Groups): SelectorTest {
  const passed = termHolds(term, node, (group) => groupSelects(group, node, groups));
  switch (term.type) {
    case 'hostname':
      return { test: `hostname in (${term.names.join(', ')})`, actual: node.name, passed };
    case 'hostname-glob':
      return { test: `hostname like ${term.glob}`, actual: node.name, passed };
    case 'all-hosts':
      return { test: 'all hosts', actual: node.name, passed };
    case 'group':
      return explainGroup(term.group, passed, node, groups);
    case 'expression':
      return {
        test: wording(term.expression),
        actual: labelOf(node, term.expression.key) ?? ABSENT,
        passed,
      };
  }
}

function explainGroup(
  group: string,
  passed: boolean,
  node: TargetNode,
  groups: Groups,
): SelectorTest {
  const selector = groups.get(group);
  if (selector === undefined) return { test: `group ${group}`, actual: '(no such group)', passed };
  const { tests } = explainSelection(selector, node, new Map());
  return {
    test: `group ${group}`,
    actual: passed ? 'member' : 'not a member',
    passed,
    within: tests,
  };
}

function wording({ key, operator, values = [] }: LabelExpression): string {
  const [only] = values;
  switch (operator) {
    case 'In':
      return values.length === 1 ? `${key} = ${only ?? ''}` : `${key} in (${values.join(', ')})`;
    case 'NotIn':
      return values.length === 1
        ? `${key} != ${only ?? ''}`
        : `${key} not in (${values.join(', ')})`;
    case 'Exists':
      return `${key} exists`;
    case 'DoesNotExist':
      return `${key} does not exist`;
  }
}
