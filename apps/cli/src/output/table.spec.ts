import { describe, expect, it } from '@jest/globals';
import { renderTable } from './table.js';

const columns = [
  { title: 'NAME', of: (row: { name: string; why: string }) => row.name },
  { title: 'WHY', of: (row: { name: string; why: string }) => row.why, shrinks: true },
];

describe('a table', () => {
  it('aligns columns to their longest cell', () => {
    expect(
      renderTable(
        columns,
        [
          { name: 'web1', why: 'a' },
          { name: 'b', why: 'c' },
        ],
        80,
      ),
    ).toBe('NAME  WHY\nweb1  a\nb     c');
  });

  it('fits 80 columns by shrinking the columns that may shrink', () => {
    const text = renderTable(columns, [{ name: 'web1', why: 'x'.repeat(200) }], 80);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBe(80);
    expect(text).toContain('…');
  });

  it('shows control characters as question marks', () => {
    expect(renderTable(columns, [{ name: 'a\nb\u001b[31m', why: '' }], 80)).toContain('a?b?[31m');
  });
});
