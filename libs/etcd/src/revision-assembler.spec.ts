import { describe, expect, it } from '@jest/globals';
import type { IEvent } from 'etcd3';
import { RevisionAssembler } from './revision-assembler.js';

function event(revision: number, type: 'Put' | 'Delete' = 'Put'): IEvent {
  const kv = {
    key: Buffer.from(`k${revision}`),
    value: Buffer.from('v'),
    create_revision: '1',
    mod_revision: `${revision}`,
    version: '1',
    lease: '0',
  };
  return { type, kv, prev_kv: kv };
}

describe('the revision assembler', () => {
  const revisions = (changes: readonly { modRevision: bigint }[]): number[] =>
    changes.map((change) => Number(change.modRevision));

  it('hands over an answer that is no fragment at once', () => {
    const assembler = new RevisionAssembler();
    expect(revisions(assembler.push([event(1), event(2)], false))).toEqual([1, 2]);
  });

  it('holds the newest revision of a fragment until it is complete', () => {
    const assembler = new RevisionAssembler();
    expect(revisions(assembler.push([event(1), event(2)], true))).toEqual([1]);
    expect(revisions(assembler.push([event(2), event(3)], true))).toEqual([2, 2]);
    expect(revisions(assembler.push([event(3)], false))).toEqual([3, 3]);
    expect(revisions(assembler.push([event(4)], false))).toEqual([4]);
  });

  it('holds one revision that spans three fragments', () => {
    const assembler = new RevisionAssembler();
    expect(assembler.push([event(5)], true)).toEqual([]);
    expect(assembler.push([event(5)], true)).toEqual([]);
    expect(revisions(assembler.push([event(5)], false))).toEqual([5, 5, 5]);
  });

  it('loses nothing that it holds to an answer without events', () => {
    const assembler = new RevisionAssembler();
    assembler.push([event(5)], true);
    expect(assembler.push([], false)).toEqual([]);
    expect(revisions(assembler.push([event(5)], false))).toEqual([5, 5]);
  });

  it('gives a deletion no value', () => {
    const [change] = new RevisionAssembler().push([event(1, 'Delete')], false);
    expect(change).toMatchObject({ type: 'delete', key: 'k1' });
    expect(change).not.toHaveProperty('value');
  });
});
