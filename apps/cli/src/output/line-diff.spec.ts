import { describe, expect, it } from '@jest/globals';
import { lineDiff } from './line-diff.js';

describe('a line diff', () => {
  it('marks what was added and removed around common lines', () => {
    expect(lineDiff('a\nb\nc\n', 'a\nx\nc\n')).toEqual([' a', '-b', '+x', ' c']);
  });

  it('shows a new document as added lines only', () => {
    expect(lineDiff('', 'a\nb\n')).toEqual(['+a', '+b']);
  });
});
