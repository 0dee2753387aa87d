import { validateSync } from 'class-validator';
import { describe, expect, it } from '@jest/globals';
import { text } from './shape.js';
import { TextField } from './text-field.js';

class Body {
  @TextField(10)
  reason: unknown;
}

function isTaken(reason: unknown): boolean {
  return validateSync(Object.assign(new Body(), { reason })).length === 0;
}

describe('a text that is stored', () => {
  it.each(['x', 'ten chars.', '😀'.repeat(5)])(
    'is taken: %j, as it is when it is read',
    (value) => {
      expect(isTaken(value)).toBe(true);
      expect(text(10)(value, 'reason')).toBe(value);
    },
  );

  it.each([
    '',
    'eleven char',
    '😀'.repeat(6),
    '\u{1f575}\ufe0f'.repeat(4),
    'half \ud800',
    7,
    undefined,
  ])('is refused: %j', (value) => {
    expect(isTaken(value)).toBe(false);
  });
});
