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

/**
 * How a table is laid out: at most `width` characters; columns are as wide as the rows `among` which these are need.
 * `open`: the last column is never cut, so that a line may be longer.
 */
interface Layout<T> {
  readonly width?: number;
  readonly header?: boolean;
  readonly among?: readonly T[];
  readonly open?: boolean;
}

/** Lines of a left-aligned table; the widest columns give way first where it is too wide. */
export function renderTable<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  { width = lineWidth(), header = true, among = rows, open = false }: Layout<T> = {},
): string {
  const cells = rows.map((row) => cellsOf(columns, row));
  const widths = columns.map(({ title }) => title.length);
  for (const row of among === rows ? cells : among.map((each) => cellsOf(columns, each)))
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  shrink(columns, widths, width);
  if (open) widths.splice(-1, 1, Math.max(0, ...cells.map((row) => row.at(-1)?.length ?? 0)));
  const titles = columns.map((column, i) => fit(column.title, widths[i] ?? 0));
  const body = cells.map((row, r) =>
    row.map((cell, i) => painted(columns[i], rows[r], fit(cell, widths[i] ?? 0, columns[i]?.cut))),
  );
  return (header ? [titles, ...body] : body).map((line) => line.join(GAP).trimEnd()).join('\n');
}

function cellsOf<T>(columns: readonly Column<T>[], row: T): string[] {
  return columns.map((column) => printable(column.of(row)));
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
