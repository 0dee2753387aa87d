import { stringify } from 'yaml';
import { UsageError } from '../errors.js';
import { renderTable, type Column } from './table.js';

export const OUTPUT_FORMATS = ['table', 'json', 'yaml', 'name'] as const;
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
      return console.log(JSON.stringify(rows, null, 2));
    case 'yaml':
      return console.log(stringify(rows).trimEnd());
    case 'name':
      return rows.forEach((row) => console.log(nameOf(row)));
    case 'table':
      return console.log(rows.length === 0 ? 'Nothing found.' : renderTable(columns, rows));
  }
}

/** Prints one object as JSON or YAML. */
export function printObject(value: unknown, format: 'json' | 'yaml'): void {
  console.log(format === 'json' ? JSON.stringify(value, null, 2) : stringify(value).trimEnd());
}

/** The parser of `-o`. */
export function outputFormat(text: string): OutputFormat {
  const format = OUTPUT_FORMATS.find((known) => known === text);
  if (format === undefined) {
    throw new UsageError(`-o "${text}" is not a format: use ${OUTPUT_FORMATS.join(', ')}`);
  }
  return format;
}
