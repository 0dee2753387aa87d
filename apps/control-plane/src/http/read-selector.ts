import { SelectorSyntaxError, parseSelector, type LabelSelector } from '#policy-model';
import { invalidField } from './problem.error.js';

/** Parses a selector of a caller; throws 400 with the place and the remedy. */
export function readSelector(text: string, field: string): LabelSelector {
  try {
    return parseSelector(text);
  } catch (error) {
    if (!(error instanceof SelectorSyntaxError)) throw error;
    throw invalidField(field, text, error.message, error.remedy);
  }
}
