import { describe, expect, it } from '@jest/globals';
import { Scope } from '../auth/scope.js';
import { versionsWithin } from './policy-history.js';
import type { PolicyRecord } from '../records/policy.record.js';

const OURS = { team: 'a' };
const THEIRS = { team: 'b' };
const EVERYONE = { 'hostward.io/all-hosts': 'true' };

/** Versions, newest first, by whom each selects; undefined: it is a deletion. */
function versions(...selected: readonly (Record<string, string> | undefined)[]) {
  return selected.map((matchLabels, index) => ({
    revision: 1n,
    record: {
      version: selected.length - index,
      ...(matchLabels && { document: { spec: { nodeSelector: { matchLabels } } } }),
    } as PolicyRecord,
  }));
}

const shown = (...selected: readonly (Record<string, string> | undefined)[]): readonly number[] =>
  versionsWithin(Scope.parse('team=a'), versions(...selected)).map(({ record }) => record.version);

describe('the history of a policy, to a caller with a scope', () => {
  it('ends where another team had the name', () => {
    expect(shown(OURS, OURS, undefined, THEIRS, OURS)).toEqual([5, 4]);
    expect(shown(OURS, THEIRS)).toEqual([2]);
  });

  it('has its deletions in between', () => {
    expect(shown(OURS, undefined, OURS)).toEqual([3, 2, 1]);
  });

  it('has what selects as the present one does, whoever made it', () => {
    expect(shown(EVERYONE, EVERYONE, THEIRS)).toEqual([3, 2]);
  });

  it('is whole to a caller without one', () => {
    const all = versions(OURS, undefined, THEIRS);
    expect(versionsWithin(undefined, all)).toBe(all);
  });
});
