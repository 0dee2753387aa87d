import { describe, expect, it } from '@jest/globals';
import { type Author, type AuthorScope, type Need, mayAuthor, maySucceed } from './index.js';

const SCOPES: readonly (AuthorScope | undefined)[] = [
  undefined,
  { documents: ['group', 'policy'] },
  { labels: { env: 'prod' } },
  { labels: { env: 'prod', app: 'web' } },
  { sections: ['file'] },
  { sections: ['file', 'process'], tiers: ['normal'] },
  { labels: { env: 'prod' }, sections: ['file'] },
];
const authors = SCOPES.map((scope, at): Author => ({ keyid: `${at}`, key: '', scope }));
const LABELS: readonly Need['labels'][] = [{}, { env: 'prod' }, { env: 'prod', app: 'web' }];
const needs = LABELS.flatMap((labels) =>
  ['normal', 'baseline'].flatMap((tier) =>
    [['file'], ['process'], ['file', 'process']].map((sections): Need => ({
      kind: 'group',
      labels,
      tier,
      sections,
    })),
  ),
);
const sets = Array.from({ length: 2 ** authors.length }, (_, bits) =>
  authors.filter((_each, at) => (bits >> at) & 1),
).filter(({ length }) => length > 0 && length <= 3);

describe('signers that may follow others', () => {
  it('may sign each thing that those might, as many as must', () => {
    const able = (signers: readonly Author[], need: Need, wanted: number) =>
      signers.filter((each) => mayAuthor(each, need)).length >= wanted;
    const wrong = [1, 2].flatMap((wanted) =>
      sets.flatMap((before) =>
        sets
          .filter((signers) => maySucceed(signers, before, wanted))
          .filter((signers) =>
            needs.some((need) => able(before, need, wanted) && !able(signers, need, wanted)),
          ),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('are the same ones, those among more, and wider ones, and no others', () => {
    const [chief, kinds, prod, web, files, normal, prodFiles] = authors as [Author, ...Author[]];
    const may = (signers: readonly (Author | undefined)[], ...before: (Author | undefined)[]) =>
      maySucceed(signers as readonly Author[], before as readonly Author[], 1);
    expect([may([web], web), may([web, files], files), may([prod], web)]).toEqual([
      true,
      true,
      true,
    ]);
    expect([may([kinds], chief), may([files], prodFiles), may([chief], normal)]).toEqual([
      ...[true, true, true],
    ]);
    expect([may([web], prod), may([prod], chief), may([normal], files)]).toEqual([
      ...[false, false, false],
    ]);
    expect([may([files, prod], prodFiles), may([prodFiles], files, prod)]).toEqual([true, false]);
    expect(maySucceed([chief], authors.slice(1, 2), 2)).toBe(false);
  });
});
