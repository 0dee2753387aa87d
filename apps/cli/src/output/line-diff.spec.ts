import { describe, expect, it } from '@jest/globals';
import { inContext, lineDiff } from './line-diff.js';

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

describe('a line diff', () => {
  it('marks what was added and removed around common lines', () => {
    expect(lineDiff('a\nb\nc\n', 'a\nx\nc\n')).toEqual([' a', '-b', '+x', ' c']);
    expect(lineDiff('a\nb\nc\nd', 'a\nc\nb\nd').sort()).toEqual([' a', ' c', ' d', '+b', '-b']);
  });

  it('shows a new document as added lines only, and the same one without a change', () => {
    expect(lineDiff('', 'a\nb\n')).toEqual(['+a', '+b']);
    expect(lineDiff('a\nb', 'a\nb')).toEqual([' a', ' b']);
  });

  it('shows a longer and a shorter text with the same ends', () => {
    expect(lineDiff('a\na', 'a\na\na')).toHaveLength(3);
    expect(lineDiff('a\na\na', 'a\na')).toHaveLength(3);
  });

  it('answers at once for documents of ten thousand lines that have nothing in common', () => {
    const lines = lineDiff(numbers(1, 10_000).join('\n'), numbers(20_001, 30_000).join('\n'));
    expect(lines).toHaveLength(20_000);
  });

  it('leaves out what is far from a change', () => {
    const text = numbers(1, 30).join('\n');
    const lines = inContext(lineDiff(text, text.replace('15', 'x')));
    expect(lines).toEqual(['…', ...[' 12', ' 13', ' 14', '-15', '+x', ' 16', ' 17', ' 18'], '…']);
  });
});
