import { stringify } from 'yaml';
import { UsageError } from './errors.js';
import { renderTable, type Column } from './table.js';

const OUTPUT_FORMATS = ['table', 'json', 'yaml', 'name'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Prints rows in the wished format; an empty table says so, since silence reads like a fault. */
export function printRows<T>(
  rows: readonly T[],
  format: OutputFormat,
  columns: readonly Column<T>[],
  nameOf: (row: T) => string,
): void {
  switch (format) {
    case 'json':
    case 'yaml':
      return printObject(rows, format);
    case 'name':
      return rows.forEach((row) => console.log(nameOf(row)));
    case 'table':
      return console.log(rows.length === 0 ? 'Nothing found.' : renderTable(columns, rows));
  }
}

/** Prints one object as JSON or YAML. */
export function printObject(value: unknown, format: 'json' | 'yaml'): void {
  console.log(
    format === 'json'
      ? JSON.stringify(value, null, 2)
      : stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 }).trimEnd(),
  );
}

/** The parser of `-o` for commands that list. */
export const outputFormat = oneOf('-o', ...OUTPUT_FORMATS);

/** The parser of an option that takes one of a few words; throws UsageError that lists them. */
export function oneOf<T extends string>(flag: string, ...words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word !== undefined) return word;
    throw new UsageError(`${flag} "${text}" is not known: use ${words.join(', ')}`);
  };
}
