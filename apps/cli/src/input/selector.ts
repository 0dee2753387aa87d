import { UsageError } from '../output/errors.js';
import { parseLabels } from './labels.js';

/**
 * Reads an option that chooses hosts. An empty one, as of a variable that is not set, is no wish for every host:
 * `everyHost` says how that is written.
 */
export function selectorOf(everyHost?: string, option = '--selector'): (text: string) => string {
  return (text) => {
    if (text.replaceAll(',', '').trim() !== '') return text;
    const or = everyHost === undefined ? '' : `, or ${everyHost} for every host`;
    throw new UsageError(`${option} is empty: write labels, e.g. env=prod${or}`);
  };
}

/** The same for one that is a map of labels. */
export function labelSelectorOf(
  everyHost: string,
  option?: string,
): (text: string) => Record<string, string> {
  const checked = selectorOf(everyHost, option);
  return (text) => parseLabels(checked(text));
}

/** Words between commas, also of an option that is given several times. None at all is no wish for no limit. */
export function wordsOf(
  option: string,
  example: string,
): (text: string, before?: readonly string[]) => readonly string[] {
  return (text, before = []) => {
    const words = text.split(',').filter((word) => word.trim() !== '');
    if (words.length === 0)
      throw new UsageError(
        `${option} is empty: write it as ${example}, or leave it out for no limit`,
      );
    return [...before, ...words];
  };
}
