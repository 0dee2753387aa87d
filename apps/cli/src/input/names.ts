import { UsageError } from '../output/errors.js';

/** A name as one segment of a REST path; `.` and `..` would become another path, whatever their encoding. */
export function segment(name: string): string {
  if (name === '' || name === '.' || name === '..')
    throw new UsageError(`"${name}" is not a name: names are letters, digits, "-" and "."`);
  return encodeURIComponent(name);
}
