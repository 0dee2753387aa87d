import { describe, expect, it } from '@jest/globals';
import { renderTable } from './table.js';

const columns = [
  { title: 'NAME', of: (row: { name: string; why: string }) => row.name },
  { title: 'WHY', of: (row: { name: string; why: string }) => row.why },
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
        { width: 80 },
      ),
    ).toBe('NAME  WHY\nweb1  a\nb     c');
  });

  it('fits 80 columns by shrinking the widest column', () => {
    const text = renderTable(columns, [{ name: 'web1', why: 'x'.repeat(200) }], { width: 80 });
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBe(80);
    expect(text).toContain('…');
  });

  it('shows control characters as question marks', () => {
    expect(renderTable(columns, [{ name: 'a\nb\u001b[31m', why: '' }], { width: 80 })).toContain(
      'a?b?[31m',
    );
  });

  it('leaves both ends of a name, by which long names differ', () => {
    const name = { title: 'NAME', of: (row: string) => row, cut: 'middle' as const };
    const rows = ['web-server-of-the-shop-eu-1', 'web-server-of-the-shop-eu-2'];
    expect(renderTable([name], rows, { width: 12, header: false })).toBe(
      'web-se…-eu-1\nweb-se…-eu-2',
    );
  });

  it('never cuts a column below its title', () => {
    const text = renderTable(columns, [{ name: 'x'.repeat(100), why: 'y'.repeat(100) }], {
      width: 1,
    });
    expect(text.split('\n')[0]).toContain('NAME');
    expect(text.split('\n')[0]).toContain('WHY');
  });
});
