/**
 * What a selector must be beyond its schema: marks used as they are meant, expressions with the values their operator
 * needs, labels that a node can have at all.
 */
import type { Path, Report } from './finding.js';
import type { LabelExpression, LabelSelector } from './kinds.js';
import { hostnameKeys, MARK_PREFIX, selectorMarks } from './marks.js';
import { isDnsSubdomain, isLabelKey, isLabelValue } from './names.js';

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

export interface SelectorUse {
  readonly path: Path;
  readonly report: Report;
  /** A group's own selector must not name a group. */
  readonly inGroup?: boolean;
}

/** Reports what is wrong with a selector that is read already. Whether it may be empty is for the caller. */
export function checkSelector(selector: LabelSelector, use: SelectorUse): void {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    checkLabel(key, value, use);
  selector.matchExpressions?.forEach((expression, index) => {
    const path = [...use.path, 'matchExpressions', index];
    checkExpression(expression, { ...use, path });
  });
}

/** Whether the selector names nothing at all. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  const labels = Object.keys(selector?.matchLabels ?? {}).length;
  return labels === 0 && (selector?.matchExpressions?.length ?? 0) === 0;
}

function checkLabel(key: string, value: string, use: SelectorUse): void {
  const path = [...use.path, 'matchLabels', key];
  if (key.startsWith(MARK_PREFIX)) return checkMark(key, value, { ...use, path });
  if (key === hostnameKeys.exact) return checkHostname(value, { ...use, path });
  if (key === hostnameKeys.glob) return checkGlob(value, { ...use, path });
  if (/^(beta\.)?kubernetes\.io\//.test(key)) return kubernetesLabel(key, value, { ...use, path });
  if (!isLabelKey(key) || !isLabelValue(value))
    neverMatches(value, 'no node can have this label', { ...use, path });
}

function checkMark(key: string, value: string, { path, report, inGroup }: SelectorUse): void {
  const refuse = (message: string, remedy: string): void =>
    report({ severity: 'error', path, value, rule: 'bad-mark', message, remedy });
  if (key === selectorMarks.group) {
    if (inGroup) refuse('a group cannot name a group', 'repeat the labels of that group here');
    else if (!isDnsSubdomain(value))
      refuse('this cannot be the name of a group', 'write the name of one group');
  } else if (key === selectorMarks.allHosts) {
    if (value !== 'true') refuse('it can only be "true"', `write ${key}: "true" or remove it`);
  } else {
    refuse(`there is no mark ${key}`, `known: ${Object.values(selectorMarks).join(', ')}`);
  }
}

function checkHostname(value: string, use: SelectorUse): void {
  const names = value.split(',').map((name) => name.trim());
  if (value.trim() === '*' || names.every(isDnsSubdomain)) return;
  const message = 'it is compared as it stands, and no host can have such a name';
  neverMatches(value, message, use, `write names, or use ${hostnameKeys.glob} for web-*`);
}

function checkGlob(value: string, use: SelectorUse): void {
  if (/^[-a-z0-9.*]+$/.test(value)) return;
  const message = 'only * is special in it; everything else is compared as it stands';
  neverMatches(value, message, use, 'use lower-case letters, digits, -, . and *');
}

function kubernetesLabel(key: string, value: string, { path, report }: SelectorUse): void {
  const message =
    'Kubernetes gives this label to its nodes; hosts have it only if you label them so';
  const remedy = `use ${hostnameKeys.exact}, a label of your own, or: hostward label node NAME ${key}=${value}`;
  report({ severity: 'warning', path, value, rule: 'kubernetes-label', message, remedy });
}

function neverMatches(
  value: unknown,
  message: string,
  { path, report }: SelectorUse,
  remedy?: string,
): void {
  const advice = remedy ?? 'see how labels are written in Kubernetes';
  report({ severity: 'warning', path, value, rule: 'never-matches', message, remedy: advice });
}

function checkExpression(
  { key, operator, values }: LabelExpression,
  { path, report }: SelectorUse,
): void {
  const refuse = (step: string, value: unknown, message: string, remedy: string): void =>
    report({ severity: 'error', path: [...path, step], value, rule: 'bad-label', message, remedy });
  const takesValues = operator === 'In' || operator === 'NotIn';
  const count = values?.length ?? 0;
  if (key.startsWith(MARK_PREFIX) || key === hostnameKeys.glob) {
    refuse('key', key, 'this key is for matchLabels only', 'move it to matchLabels');
  } else if (!isLabelKey(key)) {
    refuse('key', key, 'it is no label key', 'write a key as in Kubernetes');
  }
  if (!OPERATORS.includes(operator)) {
    refuse(
      'operator',
      operator,
      'there is no such operator',
      `write one of ${OPERATORS.join(', ')}`,
    );
  } else if (takesValues && count === 0) {
    refuse('values', values, `${operator} needs values`, 'list at least one value');
  } else if (!takesValues && count > 0) {
    refuse('values', values, `${operator} takes no values`, 'remove the values');
  }
}
