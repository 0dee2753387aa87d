import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { MAX_RULES_PER_POLICY } from '#contracts';
import { hostPolicy } from '../testing/records.js';
import type { WrittenText } from './judge-documents.js';
import { readDocuments } from './read-documents.js';

const MIB = 1024 * 1024;
const yaml = (text: string): WrittenText => ({ text, format: 'yaml', overrideProtection: false });
const filled = (unit: string, head = '', tail = ''): string =>
  head + unit.repeat(Math.floor((MIB - head.length - tail.length) / unit.length)) + tail;
const policies = (count: number): string =>
  Array.from({ length: count }, (_, at) =>
    JSON.stringify(hostPolicy(`policy-${at}`, { app: 'web' })),
  ).join('\n---\n');

/** What of a text takes longest to read: found among ninety, 4 s of CPU. */
const worst = filled(`${'['.repeat(60)}${']'.repeat(60)},`, '[', ']');
const pattern = `/srv/${'{a,b}'.repeat(800)}`;
const heavy = JSON.stringify({
  ...hostPolicy('p', { a: 'b' }),
  spec: {
    nodeSelector: { matchLabels: { a: 'b' } },
    file: { matchPatterns: Array.from({ length: 250 }, () => ({ pattern })) },
    action: 'Block',
  },
});

/** How often somebody else had a turn while a text was read. */
async function turnsOfOthers(written: WrittenText): Promise<number> {
  let [turns, isOver] = [0, false];
  void readDocuments(written, 500)
    .catch(() => undefined)
    .finally(() => (isOver = true));
  for (; !isOver; turns += 1) await wait(5);
  return turns;
}

describe('a long text of documents', () => {
  it.each([
    ['brackets in brackets', worst],
    ['patterns that mean much', heavy],
  ])('holds nobody up while it is read: %s', async (_, text) => {
    expect(await turnsOfOthers(yaml(text))).toBeGreaterThan(5);
  });

  it('is read as a short one is: 1,000 policies, and one of as many rules as it may have', async () => {
    const { documents, judgements } = await readDocuments(yaml(policies(1000)));
    expect(documents.filter(({ document }) => document !== undefined)).toHaveLength(1000);
    expect(judgements.get(999)).toEqual({ lockouts: [], patterns: [] });
    const matchPaths = Array.from({ length: MAX_RULES_PER_POLICY }, (_, at) => ({
      path: at === 7 ? '/usr/lib/systemd/systemd' : `/a/${at}`,
    }));
    const base = hostPolicy('p', { a: 'b' });
    const text = JSON.stringify({ ...base, spec: { ...base.spec, process: { matchPaths } } });
    const large = await readDocuments({ text, format: 'json', overrideProtection: false });
    expect(large.documents).toHaveLength(1);
    expect(large.judgements.get(0)?.lockouts).toMatchObject([
      { field: 'documents[0].spec.process.matchPaths.7' },
    ]);
  });

  it('is refused where it takes too long, and the next one is read', async () => {
    const [slow, next] = [readDocuments(yaml(heavy), 200), readDocuments(yaml(policies(30)))];
    await expect(slow).rejects.toMatchObject({
      status: 413,
      detail: expect.stringMatching(/^body: takes more than 0\.2 s of CPU .*; divide it/),
      errors: [{ field: 'body', value: `${heavy.length} characters` }],
    });
    expect((await next).documents).toHaveLength(30);
  });
});
