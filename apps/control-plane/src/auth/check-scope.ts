import { SelectorSyntaxError } from '#policy-model';
import { invalidField } from '../http/index.js';
import { Scope } from './scope.js';

/** Throws 400 for a selector that cannot be a scope. */
export function checkScope(selector: string | undefined): void {
  if (selector === undefined) return;
  try {
    Scope.parse(selector);
  } catch (error) {
    if (!(error instanceof SelectorSyntaxError)) throw error;
    throw invalidField('selector', selector, error.message, error.remedy);
  }
}
