import { describe, expect, it } from '@jest/globals';
import { UsageError } from '../errors.js';
import { parseDuration } from './duration.js';
import { parseKarmorLabels, parseLabelChanges, parseLabels } from './labels.js';

describe('durations', () => {
  it.each([
    ['30s', 30_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
  ])('reads %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', '5', 'm', '-5m', '1.5h', '5 m'])('refuses "%s" and names the form', (text) => {
    expect(() => parseDuration(text)).toThrow(UsageError);
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
