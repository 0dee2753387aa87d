import { lineWidth, printable } from './printable.js';
import { tone, type Tone } from './style.js';

export interface Column<T> {
  readonly title: string;
  readonly of: (row: T) => string;
  /** What is left out where the table is too wide; names and paths differ at both ends. The end by default. */
  readonly cut?: 'end' | 'middle';
  /** Changes by itself as time goes on; watching does not count it as a change. */
  readonly ticks?: boolean;
  readonly tone?: (row: T) => Tone | undefined;
}

const GAP = '  ';
const SMALLEST = 6;

/** Lines of a left-aligned table of at most `width` characters; the widest columns give way first. */
export function renderTable<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  { width = lineWidth(), header = true }: { width?: number; header?: boolean } = {},
): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.of(row))));
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  shrink(columns, widths, width);
  const titles = columns.map((column, i) => fit(column.title, widths[i] ?? 0));
  const body = cells.map((row, r) =>
    row.map((cell, i) => painted(columns[i], rows[r], fit(cell, widths[i] ?? 0, columns[i]?.cut))),
  );
  return (header ? [titles, ...body] : body).map((line) => line.join(GAP).trimEnd()).join('\n');
}

function shrink<T>(columns: readonly Column<T>[], widths: number[], width: number): void {
  const least = columns.map((column) => Math.max(SMALLEST, column.title.length));
  let excess = widths.reduce((sum, w) => sum + w, GAP.length * (widths.length - 1)) - width;
  for (; excess > 0; excess--) {
    const room = widths.map((w, i) => (w > (least[i] ?? w) ? w : 0));
    const widest = room.indexOf(Math.max(...room));
    const now = room[widest] ?? 0;
    if (now === 0) return;
    widths[widest] = now - 1;
  }
}

function fit(text: string, width: number, cut: Column<never>['cut'] = 'end'): string {
  if (text.length <= width) return text.padEnd(width);
  if (cut === 'end') return `${text.slice(0, width - 1)}…`;
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}

function painted<T>(column: Column<T> | undefined, row: T | undefined, text: string): string {
  const name = row === undefined ? undefined : column?.tone?.(row);
  return name === undefined ? text : tone(text, name);
}
