import { describe, expect, it } from '@jest/globals';
import { rulesOf } from '#policy-model';
import { lineOf } from './measurement.js';
import { bareProfile, ruleSetOf } from './rule-sets.js';
import { median, percentile, worst } from '../../../apps/cli/src/sim/samples.js';

describe('samples', () => {
  it('gives the nearest rank of a percentile', () => {
    const samples = [5, 1, 4, 2, 3];
    expect([median(samples), percentile(samples, 99), worst(samples)]).toEqual([3, 5, 5]);
    expect(percentile(samples, 20)).toBe(1);
  });

  it('gives 0 of no sample', () => {
    expect(median([])).toBe(0);
  });
});

describe('a line', () => {
  const measured = { metric: 'p50', value: 123.456, unit: 'ms' } as const;

  it('compares with its baseline', () => {
    expect(lineOf('apply', 'fleet', { ...measured, baseline: 2 }, 'here')).toEqual({
      bench: 'apply',
      case: 'fleet',
      metric: 'p50',
      value: 123,
      unit: 'ms',
      baseline: 2,
      ratio: 61.7,
      on: 'here',
    });
  });

  it('claims no ratio to nothing', () => {
    expect(lineOf('apply', 'fleet', { ...measured, baseline: 0 }, 'here').ratio).toBeNull();
    expect(lineOf('apply', 'fleet', measured, 'here').baseline).toBeNull();
  });
});

describe('a rule set to compile', () => {
  it.each([1, 100, 1_000])('has exactly %i rules', (wanted) => {
    const rules = ruleSetOf(wanted).policies.flatMap(({ document }) => rulesOf(document));
    expect(rules).toHaveLength(wanted);
  });

  it('mixes the kinds of rules', () => {
    const rules = ruleSetOf(100).policies.flatMap(({ document }) => rulesOf(document));
    const kinds = new Set(rules.map((rule) => rule.object.kind));
    expect([...kinds].sort()).toEqual(['capability', 'file', 'process', 'protocol']);
  });

  it('stands beside a profile of as many bare lines', () => {
    expect(bareProfile(100).match(/^ {2}deny /gm)).toHaveLength(100);
  });
});
