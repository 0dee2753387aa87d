import { describe, expect, it } from '@jest/globals';
import { UsageError } from '../output/errors.js';
import { labelsOf, parseMixture } from './label-mixture.js';

describe('a mixture of labels', () => {
  it('gives each value as many hosts as its weight says, for every value of the other keys', () => {
    const hosts = labelsOf(parseMixture('env=prod:70,env=dev:30,tier=web:1,tier=db:1'), 200);
    const count = (env: string, tier: string): number =>
      hosts.filter((labels) => labels['env'] === env && labels['tier'] === tier).length;
    expect([count('prod', 'web'), count('prod', 'db')]).toEqual([70, 70]);
    expect([count('dev', 'web'), count('dev', 'db')]).toEqual([30, 30]);
  });

  it('mixes few hosts too, and gives the same ones the same labels again', () => {
    const mixture = parseMixture('env=prod:70,env=dev:30');
    expect(labelsOf(mixture, 10).filter(({ env }) => env === 'dev')).toHaveLength(3);
    expect(labelsOf(mixture, 10)).toEqual(labelsOf(mixture, 20).slice(0, 10));
  });

  it.each(['env', 'env=prod', 'env=prod:0', 'env=prod:x', '=prod:1'])('refuses %s', (text) => {
    expect(() => parseMixture(text)).toThrow(UsageError);
  });
});
