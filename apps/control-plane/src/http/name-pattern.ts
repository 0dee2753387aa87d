import { matchesGlob } from '#policy-model';
import { invalidField } from './problem.error.js';

/** Names that a search is for. */
export interface NamePattern {
  /** All of them begin with it. */
  readonly prefix: string;
  readonly matches: (name: string) => boolean;
}

/** Reads a search as `web-*`, of which all names match without one; throws 400 with the remedy. */
export function readNamePattern(text = '*'): NamePattern {
  if (!/^[-a-z0-9.*?]{1,253}$/.test(text))
    throw invalidField(
      'name',
      text,
      'is not a name or a pattern of names',
      'use lower-case letters, digits, "-" and ".", "*" for any characters and "?" for one, at most 253 in all',
    );
  const [prefix = ''] = text.split(/[*?]/, 1);
  return { prefix, matches: (name) => matchesGlob(text, name, '?') };
}
