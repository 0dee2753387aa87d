import { describe, expect, it } from '@jest/globals';
import {
  JOURNAL_START,
  generateSigningKey,
  journalEntry,
  loadSigner,
  signJournalHead,
  type JournalEntry,
} from '#bundle';
import { verifyJournal, type JournalSource, type KeptHead } from './verify-journal.js';

const signer = loadSigner(generateSigningKey().privateKey);
const keys = [{ keyid: signer.keyid, key: signer.key }];

function chain(length: number, object = 'x', start = JOURNAL_START): JournalEntry[] {
  const entries: JournalEntry[] = [];
  for (let seq = start.seq + 1; seq <= start.seq + length; seq += 1) {
    const last = entries.at(-1) ?? start;
    entries.push(
      journalEntry({
        ...{ v: 1, seq, time: '2026-03-01T12:00:00.000Z', actor: 'admin', source: '' },
        ...{ action: 'apply', object, revision: '1', outcome: 'done', detail: {}, prev: last.hash },
      }),
    );
  }
  return entries;
}

const sign = ({ seq, hash }: { seq: number; hash: string }) =>
  signJournalHead({ v: 1, seq, hash, at: 1 }, signer);

/** A control plane that serves `entries`, with the heads that were signed for `signed`. */
function serving(entries: readonly JournalEntry[], signed = entries): JournalSource {
  const headOf = (entry: JournalEntry | undefined) => ({ head: entry && sign(entry), keys });
  return {
    head: () => Promise.resolve(headOf(signed.at(-1))),
    headAt: (seq) => Promise.resolve(headOf(signed.find((each) => each.seq === seq))),
    from: (seq, limit) =>
      Promise.resolve(entries.filter((each) => each.seq >= seq).slice(0, limit)),
  };
}

const kept = (entry: JournalEntry | undefined): KeptHead => ({
  seq: entry?.seq ?? 0,
  hash: entry?.hash ?? '',
  keys,
});

describe('the verification of a journal', () => {
  it('finds a whole one whole, from the beginning and from a number', async () => {
    const entries = chain(1_200);
    expect(await verifyJournal({ source: serving(entries) })).toMatchObject({
      ...{ whole: true, verified: 1_200, head: { seq: 1_200 } },
    });
    expect(await verifyJournal({ source: serving(entries), since: 1_001 })).toMatchObject({
      ...{ whole: true, verified: 200 },
    });
    expect(await verifyJournal({ source: serving([]) })).toMatchObject({
      whole: true,
      verified: 0,
    });
  });

  const whole = chain(20);
  const edited = whole.map((entry) => (entry.seq === 7 ? { ...entry, actor: 'nobody' } : entry));
  const rewritten = [...whole.slice(0, 6), ...chain(14, 'y', whole[5])];
  it.each([
    ['an entry was edited', edited, 7],
    ['an entry is missing', whole.filter(({ seq }) => seq !== 7), 7],
    ['entries at the end are missing', whole.slice(0, 15), 16],
    ['all are missing', [], 1],
    ['all after an entry were computed anew', rewritten, 7],
  ])('says where %s', async (_title, entries, badSeq) => {
    const source = serving(entries, whole);
    expect(await verifyJournal({ source })).toMatchObject({ whole: false, badSeq });
  });

  it('sees by the head of the last run what was cut off and signed again, or made anew', async () => {
    const before = kept(whole.at(-1));
    const cut = serving(whole.slice(0, 10));
    expect(await verifyJournal({ source: cut, kept: before })).toMatchObject({
      ...{ whole: false, badSeq: 11 },
    });
    expect(await verifyJournal({ source: serving([]), kept: before })).toMatchObject({
      ...{ whole: false, badSeq: 1 },
    });
    const again = serving(rewritten);
    expect(await verifyJournal({ source: again, kept: before })).toMatchObject({ whole: false });
  });

  it('believes no key but that of the last run', async () => {
    const other = loadSigner(generateSigningKey().privateKey);
    const believing = { ...kept(whole[0]), keys: [{ keyid: other.keyid, key: other.key }] };
    await expect(verifyJournal({ source: serving(whole), kept: believing })).rejects.toThrow();
  });
});
