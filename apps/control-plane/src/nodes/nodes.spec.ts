import { describe, expect, it } from '@jest/globals';
import { hashToken, tokenMatches } from '../auth/token-hash.js';
import { ProblemError } from '../http/index.js';
import {
  composeToken,
  refusalOf,
  tokenId,
  type JoinTokenRecord,
} from '../records/join-token.record.js';
import { changedLabels, checkedLabels } from './label-changes.js';

describe('changes of labels', () => {
  it('set, remove and leave alone', () => {
    expect(changedLabels({ a: '1', b: '2', c: '3' }, { a: 'x', b: null, d: '' })).toEqual({
      a: 'x',
      c: '3',
      d: '',
    });
    expect(changedLabels({}, { 'example.org/role': 'web' })).toEqual({ 'example.org/role': 'web' });
  });

  it.each<[string, Record<string, unknown>]>([
    ['a value that is a number', { a: 1 }],
    ['a value with a space', { a: 'b c' }],
    ['a value that is too long', { a: 'x'.repeat(64) }],
    ['an empty key', { '': 'x' }],
    ['a key with two slashes', { 'a/b/c': 'x' }],
    ['a key with a newline', { 'a\nb': 'x' }],
    ['too many', Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, 'x']))],
  ])('with %s are refused', (_title, changes) => {
    expect(() => changedLabels({}, changes)).toThrow(ProblemError);
  });

  it('may remove nothing where labels are first given', () => {
    expect(() => checkedLabels({ a: null })).toThrow(ProblemError);
  });
});

describe('a join token', () => {
  const record: JoinTokenRecord = {
    v: 1,
    id: '0123456789abcdef',
    hash: '',
    labels: {},
    uses: 2,
    used: 1,
    expiresAt: '2026-03-01T12:00:00.000Z',
    by: 'admin',
    at: '2026-03-01T11:00:00.000Z',
  };
  const end = Date.parse(record.expiresAt);

  it('holds the id under which its hash is found', () => {
    const token = composeToken(record.id);
    expect(tokenId(token)).toBe(record.id);
    expect(tokenMatches(token, hashToken(token))).toBe(true);
    for (const other of ['', 'hwj_x', `${token}x`, token.replace('hwj', 'hwa')])
      expect(tokenId(other)).toBeUndefined();
  });

  it('lets in until it is used up or its time is over', () => {
    expect(refusalOf(record, end - 1)).toBeUndefined();
    expect(refusalOf(record, end)).toContain('expired');
    expect(refusalOf({ ...record, used: 2 }, end - 1)).toContain('used up');
  });
});
