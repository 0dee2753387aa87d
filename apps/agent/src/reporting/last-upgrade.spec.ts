import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Log } from '#observability';
import { SystemClock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { LastUpgrade, parseRolledBack } from './last-upgrade.js';

const WORD = { from: '0.2.0', to: '0.1.0', at: '2026-11-26T18:00:00Z', reason: 'crashed' };
const READ = { ...WORD, at: '2026-11-26T18:00:00.000Z' };

describe('LastUpgrade', () => {
  let folder: string;
  let lines: string[];
  let upgrade: LastUpgrade;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hostward-upgrade-'));
    lines = [];
    const log = new Log({ write: (line) => void lines.push(line) });
    upgrade = new LastUpgrade(
      join(folder, 'rolled-back.json'),
      new Context(new SystemClock(), log),
    );
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('knows of none where there is no word, and no more once the word is gone', async () => {
    await upgrade.refresh();
    expect(upgrade.rolledBack).toBeUndefined();
    await writeFile(join(folder, 'rolled-back.json'), JSON.stringify(WORD));
    await upgrade.refresh();
    expect(upgrade.rolledBack).toEqual(READ);
    await rm(join(folder, 'rolled-back.json'));
    await upgrade.refresh();
    expect(upgrade.rolledBack).toBeUndefined();
    expect(lines).toEqual([]);
  });

  it('says once that a word cannot be read, and keeps what it knew', async () => {
    await writeFile(join(folder, 'rolled-back.json'), JSON.stringify(WORD));
    await upgrade.refresh();
    await writeFile(join(folder, 'rolled-back.json'), '{"from":');
    await upgrade.refresh();
    await upgrade.refresh();
    expect(upgrade.rolledBack).toEqual(READ);
    expect(lines).toHaveLength(1);
  });
});

describe('parseRolledBack', () => {
  it.each([
    ['null', 'at is no text'],
    [JSON.stringify({ ...WORD, reason: 7 }), 'reason is no text'],
    [JSON.stringify({ ...WORD, at: 'yesterday' }), 'at is no time'],
  ])('refuses %s', (text, message) => {
    expect(() => parseRolledBack(text)).toThrow(message);
  });

  it('cuts what a report cannot hold', () => {
    expect(parseRolledBack(JSON.stringify({ ...WORD, reason: 'x'.repeat(999) })).reason).toBe(
      'x'.repeat(300),
    );
  });
});
