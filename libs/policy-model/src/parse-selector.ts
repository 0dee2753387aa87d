/**
 * Label selectors as people type them: `env=prod,tier in (web,db),!old,team`. The grammar is Kubernetes'. A text that
 * asks for nothing is refused: on a command line an empty variable must not select the fleet.
 */
import type { LabelExpression, LabelSelector } from './kinds.js';
import { hostnameKeys } from './marks.js';
import { isLabelKey, isLabelValue } from './names.js';

const REMEDY =
  'write key=value, key!=value, key in (a,b), key notin (a,b), key or !key, separated by commas';

/** The text is no label selector; `column` is the place, from 1. */
export class SelectorSyntaxError extends Error {
  override readonly name = 'SelectorSyntaxError';

  constructor(
    readonly selector: string,
    readonly column: number,
    problem: string,
    readonly remedy: string = REMEDY,
  ) {
    super(`selector "${selector}", column ${column}: ${problem}; ${remedy}`);
  }
}

interface Part {
  readonly text: string;
  readonly column: number;
}

type Requirement =
  | { readonly type: 'equals'; readonly key: string; readonly value: string }
  | { readonly type: 'expression'; readonly expression: LabelExpression };

const SET = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const COMPARISON = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/;

/** Parses a selector; throws SelectorSyntaxError with the place and a remedy. */
export function parseSelector(text: string): LabelSelector {
  if (text.trim() === '') {
    throw new SelectorSyntaxError(text, 1, 'it is empty', 'to select every host say --all-hosts');
  }
  const matchLabels = new Map<string, string>();
  const matchExpressions: LabelExpression[] = [];
  for (const part of splitAtCommas(text)) {
    const requirement = parseRequirement(text, part);
    if (requirement.type === 'expression') matchExpressions.push(requirement.expression);
    else addLabel(matchLabels, requirement, text, part);
  }
  return {
    ...(matchLabels.size > 0 && { matchLabels: Object.fromEntries(matchLabels) }),
    ...(matchExpressions.length > 0 && { matchExpressions }),
  };
}

function addLabel(
  labels: Map<string, string>,
  { key, value }: { readonly key: string; readonly value: string },
  text: string,
  part: Part,
): void {
  const earlier = labels.get(key);
  if (earlier !== undefined && earlier !== value) {
    const remedy = `write ${key} in (${earlier},${value}) if either will do`;
    throw new SelectorSyntaxError(text, part.column, `no host has ${key} twice`, remedy);
  }
  labels.set(key, value);
}

/** Commas within parentheses separate values, not requirements. */
function splitAtCommas(text: string): readonly Part[] {
  const parts: Part[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const character = text[at] ?? ',';
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth < 0)
      throw new SelectorSyntaxError(text, at + 1, 'a parenthesis closes that none opened');
    if (at === text.length && depth > 0) {
      throw new SelectorSyntaxError(text, at + 1, 'a parenthesis is not closed');
    }
    if (character !== ',' || depth > 0) continue;
    parts.push(trimmed(text.slice(start, at), start));
    start = at + 1;
  }
  return parts;
}

function trimmed(raw: string, offset: number): Part {
  const text = raw.trim();
  return { text, column: offset + raw.length - raw.trimStart().length + 1 };
}

function parseRequirement(selector: string, part: Part): Requirement {
  const { text, column } = part;
  if (text === '') throw new SelectorSyntaxError(selector, column, 'a requirement is empty');
  const set = SET.exec(text);
  if (set) return setRequirement(selector, part, set);
  const comparison = COMPARISON.exec(text);
  if (comparison) return comparisonRequirement(selector, part, comparison);
  const absent = text.startsWith('!');
  const key = checkedKey(selector, part, absent ? text.slice(1).trim() : text);
  return { type: 'expression', expression: { key, operator: absent ? 'DoesNotExist' : 'Exists' } };
}

function setRequirement(selector: string, part: Part, match: RegExpExecArray): Requirement {
  const [, rawKey = '', operator, list = ''] = match;
  const key = checkedKey(selector, part, rawKey);
  const values = list.split(',').map((value) => checkedValue(selector, part, key, value.trim()));
  return {
    type: 'expression',
    expression: { key, operator: operator === 'in' ? 'In' : 'NotIn', values },
  };
}

function comparisonRequirement(selector: string, part: Part, match: RegExpExecArray): Requirement {
  const [, rawKey = '', operator, rawValue = ''] = match;
  const key = checkedKey(selector, part, rawKey);
  const value = checkedValue(selector, part, key, rawValue);
  if (operator !== '!=') return { type: 'equals', key, value };
  return { type: 'expression', expression: { key, operator: 'NotIn', values: [value] } };
}

function checkedKey(selector: string, { column }: Part, key: string): string {
  if (isLabelKey(key)) return key;
  throw new SelectorSyntaxError(selector, column, `"${key}" is no label key`);
}

function checkedValue(selector: string, { column }: Part, key: string, value: string): string {
  const named = key === hostnameKeys.exact || key === hostnameKeys.glob;
  if (isLabelValue(named ? value.replaceAll('*', 'x') : value)) return value;
  throw new SelectorSyntaxError(selector, column, `"${value}" is no label value`);
}
