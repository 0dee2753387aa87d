import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { OutputFormat } from './print.js';
import { WatchPrinter, type Watched } from './watch-printer.js';

interface Row {
  readonly name: string;
  readonly phase: string;
  readonly seen: string;
}

const KIND: Watched<Row> = {
  singular: 'node',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', of: ({ name }) => name },
    { title: 'PHASE', of: ({ phase }) => phase },
    { title: 'SEEN', of: ({ seen }) => seen, ticks: true },
  ],
};
const row = (name: string, phase = 'enrolled', seen = '1s'): Row => ({ name, phase, seen });

let out: string[];
let err: string[];
beforeEach(() => {
  out = [];
  err = [];
  jest.spyOn(console, 'log').mockImplementation((text: string) => void out.push(text));
  jest.spyOn(console, 'error').mockImplementation((text: string) => void err.push(text));
});
afterEach(() => void jest.restoreAllMocks());

function printed(output: OutputFormat, ...batches: readonly Parameters<typeof printBatch>[1][]) {
  const printer = new WatchPrinter(KIND, output);
  for (const batch of batches) printBatch(printer, batch);
  return out.join('\n').split('\n');
}

function printBatch(
  printer: WatchPrinter<Row>,
  { rows, all = false, gone = [] }: { rows: Row[]; all?: boolean; gone?: string[] },
): void {
  printer.print({ rows, all, gone });
}

describe('what is watched', () => {
  const begin = { rows: [row('a-long-name'), row('b')], all: true };

  it('is printed once, then where it changes, below the titles', () => {
    const changed = { rows: [row('b', 'revoked')] };
    expect(printed('table', begin, changed)).toEqual([
      'NAME         PHASE     SEEN',
      'a-long-name  enrolled  1s',
      'b            enrolled  1s',
      'b            revoked   1s',
    ]);
  });

  it('is not printed again where only its age changed, nor where all come again unchanged', () => {
    const later = { rows: [row('a-long-name', 'enrolled', '9s'), row('b')], all: true };
    expect(printed('name', begin, { rows: [row('b', 'enrolled', '5s')] }, later)).toEqual([
      'a-long-name',
      'b',
    ]);
  });

  it('is told to be gone: by name, or where all came without it', () => {
    printed('name', begin, { rows: [], gone: ['b', 'stranger'] }, { rows: [], all: true });
    expect(err).toEqual(['node/b is gone', 'node/a-long-name is gone']);
  });

  it('is one object a line as JSON, and one document each as YAML', () => {
    const json = printed('json', begin, { rows: [row('b', 'revoked')] });
    expect(json.map((line) => (JSON.parse(line) as Row).phase)).toEqual([
      'enrolled',
      'enrolled',
      'revoked',
    ]);
    out = [];
    expect(printed('yaml', { rows: [row('b')], all: true })).toEqual([
      '---',
      'name: b',
      'phase: enrolled',
      'seen: 1s',
    ]);
  });

  it('is printed whole where what has no column changes, but for what goes on by itself', () => {
    const object = (version: string, seen: string) => ({ ...row('a', 'enrolled', seen), version });
    const kind = { ...KIND, ticking: ['seen'] };
    for (const output of ['json', 'table'] as const) {
      const printer = new WatchPrinter(kind, output);
      printBatch(printer, { rows: [object('1', '1s')], all: true });
      printBatch(printer, { rows: [object('1', '5s')] });
      printBatch(printer, { rows: [object('2', '6s')] });
    }
    const [first, second, ...table] = out;
    expect([first, second].map((line) => (JSON.parse(line ?? '') as Row).seen)).toEqual([
      '1s',
      '6s',
    ]);
    expect(table).toHaveLength(1);
  });

  it('shows a change at the end of a long line', () => {
    const long = (seen: string): Row => row('a', 'enrolled', `${'label=yes,'.repeat(12)}${seen}`);
    const columns = KIND.columns.map((column) => ({ ...column, ticks: false }));
    const printer = new WatchPrinter({ ...KIND, columns }, 'table');
    printBatch(printer, { rows: [long('w=1')], all: true });
    printBatch(printer, { rows: [long('w=2')] });
    expect(out[0]?.split('\n')[1]).toMatch(/…$/);
    expect(out[1]).toMatch(/^a {5}enrolled {2}label=yes,.*,w=2$/);
  });

  it('shows the titles where there is nothing yet', () => {
    expect(printed('table', { rows: [], all: true }, { rows: [row('b')] })).toEqual([
      'NAME  PHASE  SEEN',
      'b     enrolled  1s',
    ]);
  });
});
