import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import { MAX_RULES_PER_POLICY } from '#contracts';
import { hostPolicy } from '../testing/records.js';
import { DocumentReader } from './document-reader.js';
import type { WrittenText } from './judge-documents.js';

const MIB = 1024 * 1024;
const yaml = (text: string): WrittenText => ({ text, format: 'yaml', overrideProtection: false });
const filled = (unit: string, head = '', tail = ''): string =>
  head + unit.repeat(Math.floor((MIB - head.length - tail.length) / unit.length)) + tail;
const policies = (count: number): string =>
  Array.from({ length: count }, (_, at) =>
    JSON.stringify(hostPolicy(`policy-${at}`, { app: 'web' })),
  ).join('\n---\n');

/** A loaded machine is late, whatever is asked of it. */
const PATIENT = { lateMs: 170_000, answerMs: 170_000 };

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
  void new DocumentReader({ cpuMs: 500 })
    .read(written, 'ann')
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
    const { documents, judgements } = await new DocumentReader(PATIENT).read(
      yaml(policies(1000)),
      'ann',
    );
    expect(documents.filter(({ document }) => document !== undefined)).toHaveLength(1000);
    expect(judgements.get(999)).toEqual({ lockouts: [], patterns: [] });
    const matchPaths = Array.from({ length: MAX_RULES_PER_POLICY }, (_, at) => ({
      path: at === 7 ? '/usr/lib/systemd/systemd' : `/a/${at}`,
    }));
    const base = hostPolicy('p', { a: 'b' });
    const text = JSON.stringify({ ...base, spec: { ...base.spec, process: { matchPaths } } });
    const large = await new DocumentReader(PATIENT).read(
      { text, format: 'json', overrideProtection: false },
      'ann',
    );
    expect(large.documents).toHaveLength(1);
    expect(large.judgements.get(0)?.lockouts).toMatchObject([
      { field: 'documents[0].spec.process.matchPaths.7' },
    ]);
  });

  it('is refused where it takes too long, and the next one is read', async () => {
    const reader = new DocumentReader({ ...PATIENT, cpuMs: 1_000 });
    const slow = reader.read(yaml(heavy), 'ann');
    const next = reader.read(yaml(policies(30)), 'ann');
    await expect(slow).rejects.toMatchObject({
      status: 413,
      detail: expect.stringMatching(
        /^body: takes more than 1 s of CPU .*; apply it in parts, each without --prune/,
      ),
      errors: [{ field: 'body', value: `${heavy.length} characters` }],
    });
    expect((await next).documents).toHaveLength(30);
  });

  it.each([
    ['its turn comes late', { cpuMs: 500, lateMs: 100 }],
    ['it would be answered late', { cpuMs: 500, answerMs: 300 }],
  ])('is refused where %s, with what to do', async (_, limits) => {
    const reader = new DocumentReader(limits);
    const first = reader.read(yaml(heavy), 'ann').catch((error: unknown) => error);
    const second = reader.read(yaml(worst), 'ben');
    await expect(second).rejects.toMatchObject({
      status: 503,
      headers: { 'retry-after': '2' },
      detail: expect.stringContaining('had to wait while other long texts were read: nothing was'),
      errors: [{ field: 'body', value: `${worst.length} characters`, remedy: expect.any(String) }],
    });
    await first;
  });

  it('is not said to have waited where it is slow by itself', async () => {
    const reader = new DocumentReader({ answerMs: 300 });
    await expect(reader.read(yaml(heavy), 'ann')).rejects.toMatchObject({
      status: 503,
      errors: [
        {
          message: 'was not read in time on this machine, which is busy',
          remedy: expect.stringMatching(/^nothing was written; .*apply it in parts/),
        },
      ],
    });
  });

  it('waits with others of its caller while they are not large', async () => {
    const reader = new DocumentReader(PATIENT);
    const read = () => reader.read(yaml(policies(30)), 'ann');
    for (const { documents } of await Promise.all([read(), read(), read(), read()]))
      expect(documents).toHaveLength(30);
  });

  it('waits with one other of its caller at most where they are, and holds up nobody else', async () => {
    const reader = new DocumentReader(PATIENT);
    const read = (by: string, count = 600) => reader.read(yaml(policies(count)), by);
    const before = [read('ann'), read('ann')];
    await expect(read('ann')).rejects.toMatchObject({
      status: 429,
      headers: { 'retry-after': '2' },
      errors: [
        { field: 'caller', value: 'ann', message: 'has 2 long texts or more being read already' },
      ],
    });
    expect((await read('ben', 30)).documents).toHaveLength(30);
    await Promise.all(before);
    expect((await read('ann', 30)).documents).toHaveLength(30);
  });

  describe('with the program of its thread in a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hostward-reader-'));
    const program = join(folder, 'thread.cjs');
    const saying = (word: string) =>
      `require('node:worker_threads').parentPort.postMessage('${word}');`;
    afterAll(() => rmSync(folder, { recursive: true }));

    it('is judged by what was there at the start, not by what a later version put there', async () => {
      writeFileSync(program, saying('before'));
      const reader = new DocumentReader({ program });
      writeFileSync(program, saying('after'));
      expect(await reader.read(yaml(policies(30)), 'ann')).toBe('before');
    });

    it('is refused where sixteen wait, by what they are', async () => {
      writeFileSync(program, saying('read'));
      const reader = new DocumentReader({ program });
      const read = (_: unknown, at: number) => reader.read(yaml(policies(30)), `user-${at}`);
      const waiting = Array.from({ length: 16 }, read);
      await expect(read(undefined, 16)).rejects.toMatchObject({
        status: 503,
        detail: expect.stringContaining('came while too many long texts were waiting'),
      });
      expect(await Promise.all(waiting)).toEqual(waiting.map(() => 'read'));
    });

    it('cannot be begun with where that is missing', () => {
      const missing = join(folder, 'missing.cjs');
      expect(() => new DocumentReader({ program: missing })).toThrow(
        `cannot read ${missing}, which judges documents: install this version again`,
      );
    });
  });
});
