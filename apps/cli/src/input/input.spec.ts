import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { UsageError } from '../output/errors.js';
import { countOf } from './count.js';
import { durationOf, timerOf } from './duration.js';
import { endTime, wantedEnd } from './end-time.js';
import { parseKarmorLabels, parseLabelChanges, parseLabels } from './labels.js';
import { readInputs } from './files.js';
import { pastTime } from './past-time.js';
import { pathOf } from './path.js';
import { descriptorOf } from './secret.js';

const NOW = Date.parse('2026-12-01T00:00:00Z');

describe('durations', () => {
  const read = durationOf('--for');

  it.each([
    ['30s', 30_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['36500d', 3_153_600_000_000],
  ])('reads %s', (text, ms) => expect(read(text)).toBe(ms));

  it.each(['', '5', 'm', '-5m', '1.5h', '5 m'])('refuses "%s" and names the form', (text) => {
    expect(() => read(text)).toThrow(UsageError);
    expect(() => read(text)).toThrow(`--for "${text}" is not a duration: write 30s`);
  });

  it.each(['36501d', '9999999999999d', `${'9'.repeat(400)}s`])(
    'refuses what is longer than a time can be: %.20s',
    (text) => {
      for (const long of [read, (each: string) => endTime('--for', each, NOW)])
        expect(() => long(text)).toThrow(
          new UsageError(`--for "${text}" is too long: at most 36500d`),
        );
      expect(() => pastTime('--since', text, NOW)).toThrow(UsageError);
    },
  );

  it('of what the command itself does are no longer than a timer is', () => {
    const wait = timerOf('--duration');
    expect(wait('24d')).toBeLessThan(2 ** 31);
    expect(() => wait('25d')).toThrow('--duration "25d" is too long: at most 24d');
  });
});

describe('times', () => {
  it('are those of a clock, or a duration away', () => {
    expect(endTime('--until', '2h', NOW)).toBe('2026-12-01T02:00:00.000Z');
    expect(endTime('--until', '2027-01-01T00:00:00Z', NOW)).toBe('2027-01-01T00:00:00.000Z');
    expect(pastTime('--since', '36500d', NOW)).toBe('1926-12-26T00:00:00.000Z');
  });

  it('are counted by the control plane where it is who ends them', () => {
    expect(wantedEnd('--for', '1h30m')).toBe('1h30m');
    expect(wantedEnd('--until', '2020-01-01')).toBe('2020-01-01T00:00:00.000Z');
    for (const text of ['2026-13-01', 'soon'])
      expect(() => wantedEnd('--until', text)).toThrow(`--until "${text}"`);
  });

  it.each(['0s', '2026-11-30', '2026-13-01', 'soon'])('to come are not "%s"', (text) => {
    expect(() => endTime('--until', text, NOW)).toThrow(UsageError);
    expect(() => endTime('--until', text, NOW)).toThrow(`--until "${text}"`);
  });
});

describe('label changes', () => {
  it('sets with = and removes with a final -', () => {
    expect(parseLabelChanges(['env=prod', 'old-', 'empty='])).toEqual({
      env: 'prod',
      old: null,
      empty: '',
    });
  });

  it.each(['=x', 'env', '-'])('refuses "%s"', (word) => {
    expect(() => parseLabelChanges([word])).toThrow(UsageError);
  });

  it('has no removals where a map is asked for', () => {
    expect(parseLabels('a=1,b=2')).toEqual({ a: '1', b: '2' });
    expect(() => parseLabels('a-')).toThrow(UsageError);
  });
});

describe("karmor's labels", () => {
  it('are set with a colon, and deleted by their key', () => {
    expect(parseKarmorLabels('env:prod,tier=web', 'add')).toEqual({ env: 'prod', tier: 'web' });
    expect(parseKarmorLabels('env:prod,tier', 'delete')).toEqual({ env: null, tier: null });
  });

  it('need a value to be set', () => {
    expect(() => parseKarmorLabels('env', 'add')).toThrow(UsageError);
  });
});

describe('what a refusal names', () => {
  it.each(['', '0', '-1', '1.5', 'x'])('is the option and its value: "%s"', (text) => {
    expect(() => countOf('--limit')(text)).toThrow(UsageError);
    expect(() => countOf('--limit')(text)).toThrow(`--limit "${text}" is not a positive`);
  });

  it.each(['', '-1', '1.5', '0x3', 'x'])('is the option of a descriptor too: "%s"', (text) => {
    expect(() => descriptorOf('--secret-fd')(text)).toThrow(UsageError);
    expect(() => descriptorOf('--secret-fd')(text)).toThrow(`--secret-fd "${text}" is not a file`);
  });

  it('is the option whose path is empty, which would be the folder where this runs', async () => {
    expect(pathOf('--data-dir')('.')).toBe('.');
    expect(() => pathOf('--data-dir')('')).toThrow(
      new UsageError('--data-dir is empty: write a path, or leave it out'),
    );
    await expect(readInputs([''])).rejects.toThrow(UsageError);
  });

  it('is the file that is not UTF-8, with its line: nothing of it is sent as other characters', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hostward-input-'));
    const file = join(folder, 'latin1.yaml');
    await writeFile(file, Buffer.from('# M\u00fcller\npath: /srv/m\u00fcller/secret\n', 'latin1'));
    await expect(readInputs([file])).rejects.toMatchObject({
      message: `${file}, line 1: these bytes are not UTF-8`,
      remedy: expect.stringContaining('iconv'),
    });
    await writeFile(file, 'path: /srv/m\u00fcller/secret\n');
    expect((await readInputs([file]))[0]?.text).toContain('m\u00fcller');
    await rm(folder, { recursive: true });
  });

  it('is the file that cannot be read, with a remedy', async () => {
    await expect(readInputs(['/nowhere.yaml'])).rejects.toMatchObject({
      message: expect.stringContaining('cannot read /nowhere.yaml: ENOENT'),
      remedy: 'name a file, a folder, or - for standard input',
    });
  });
});
