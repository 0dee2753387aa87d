import { describe, expect, it } from '@jest/globals';
import {
  EMPTY_HEAD,
  brokenAt,
  decodeEntry,
  nextEntry,
  type JournalEntry,
} from './journal-entry.js';

function chain(length: number): JournalEntry[] {
  const entries: JournalEntry[] = [];
  for (let number = 1; number <= length; number += 1) {
    const last = entries.at(-1);
    const head = last ? { v: 1 as const, seq: last.seq, hash: last.hash } : EMPTY_HEAD;
    entries.push(
      nextEntry(
        head,
        { by: 'admin', action: 'apply', target: `p${number}`, detail: { n: number } },
        '2026-03-01T12:00:00.000Z',
      ),
    );
  }
  return entries;
}

describe('the journal', () => {
  it('is whole when nobody touched it, also after it was stored', () => {
    const entries = chain(5).map((entry) => decodeEntry(Buffer.from(JSON.stringify(entry))));
    expect(brokenAt(EMPTY_HEAD, entries)).toBeUndefined();
  });

  it.each<[string, (entries: JournalEntry[]) => JournalEntry[], number]>([
    [
      'an entry was changed',
      ([a, b, c]) => [a, b && { ...b, by: 'nobody' }, c].filter((each) => each !== undefined),
      2,
    ],
    [
      'a detail was changed',
      ([a, b]) => [a, b && { ...b, detail: { n: 3 } }].filter((each) => each !== undefined),
      2,
    ],
    ['an entry was taken out', ([a, , c]) => [a, c].filter((each) => each !== undefined), 3],
    ['two entries changed places', ([a, b]) => [b, a].filter((each) => each !== undefined), 2],
  ])('shows where it is broken when %s', (_title, spoil, at) => {
    expect(brokenAt(EMPTY_HEAD, spoil(chain(3)))).toBe(at);
  });
});
