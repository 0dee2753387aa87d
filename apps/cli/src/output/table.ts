import { stdout } from 'node:process';
import { tone, type Tone } from './style.js';

export interface Column<T> {
  readonly title: string;
  readonly of: (row: T) => string;
  /** This column gives way when the table is wider than the terminal. */
  readonly shrinks?: boolean;
  readonly tone?: (row: T) => Tone | undefined;
}

const GAP = '  ';
const SMALLEST = 6;

/** Lines of a left-aligned table that fit `width` columns (the terminal's, else 80) as far as shrinking allows. */
export function renderTable<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  width: number = stdout.columns ?? 80,
): string {
  const cells = rows.map((row) => columns.map((column) => oneLine(column.of(row))));
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  shrink(columns, widths, width);
  const header = columns.map((column, i) => fit(column.title, widths[i] ?? 0));
  const body = cells.map((row, r) =>
    row.map((cell, i) => painted(columns[i], rows[r], fit(cell, widths[i] ?? 0))),
  );
  return [header, ...body].map((line) => line.join(GAP).trimEnd()).join('\n');
}

function shrink<T>(columns: readonly Column<T>[], widths: number[], width: number): void {
  const total = (): number => widths.reduce((sum, w) => sum + w, GAP.length * (widths.length - 1));
  for (let i = columns.length - 1; i >= 0; i--) {
    const excess = total() - width;
    if (excess <= 0) return;
    if (columns[i]?.shrinks) widths[i] = Math.max(SMALLEST, (widths[i] ?? 0) - excess);
  }
}

function fit(text: string, width: number): string {
  return text.length <= width ? text.padEnd(width) : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function painted<T>(column: Column<T> | undefined, row: T | undefined, text: string): string {
  const name = row === undefined ? undefined : column?.tone?.(row);
  return name === undefined ? text : tone(text, name);
}

function oneLine(text: string): string {
  // A hostile name must not move the cursor or forge a row.

  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
