import type { FieldError } from '#contracts';
import {
  parseDocuments,
  type DefaultSelector,
  type HostPolicy,
  type ParsedText,
} from '#policy-model';
import { lockoutErrors } from './lockout-check.js';
import { unusablePatterns } from './unusable-patterns.js';

/** A text of documents, and how it is to be read. */
export interface WrittenText {
  readonly text: string;
  readonly format: 'yaml' | 'json';
  readonly defaultSelector?: DefaultSelector;
  /** Whoever wrote it takes responsibility for rules that block the control path. */
  readonly overrideProtection: boolean;
}

/** What is wrong with a policy whatever the fleet has. */
export interface Judgement {
  /** Rules that would block the control path. */
  readonly lockouts: readonly FieldError[];
  /** Patterns that no host can use. */
  readonly patterns: readonly FieldError[];
}

export interface JudgedText extends ParsedText {
  /** By the index of the document. */
  readonly judgements: ReadonlyMap<number, Judgement>;
}

/** All that can be said of a text by itself. Pure, and it may take seconds: see `DocumentReader`. */
export function judgeDocuments(written: WrittenText): JudgedText {
  const { text, format, defaultSelector, overrideProtection } = written;
  const parsed = parseDocuments(text, { format, defaultSelector });
  const judgements = new Map<number, Judgement>();
  for (const { index, document } of parsed.documents)
    if (document?.kind === 'KubeArmorHostPolicy')
      judgements.set(index, judge(document, index, overrideProtection));
  return { ...parsed, judgements };
}

function judge(policy: HostPolicy, index: number, overrideProtection: boolean): Judgement {
  return {
    lockouts: overrideProtection ? [] : lockoutErrors(policy, index),
    patterns: unusablePatterns(policy, index),
  };
}
