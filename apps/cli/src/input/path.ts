import { UsageError } from '../output/errors.js';

/** Reads an option that names a file or folder. An empty one, as of a variable that is not set, is not where this runs. */
export function pathOf(option: string): (text: string) => string {
  return (text) => {
    if (text !== '') return text;
    throw new UsageError(`${option} is empty: write a path, or leave it out`);
  };
}
