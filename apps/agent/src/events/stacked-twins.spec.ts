import { describe, expect, it } from '@jest/globals';
import type { RuleReference } from '#policy-compiler';
import type { SensorEvent } from '#sensor';
import { StackedTwins } from './stacked-twins.js';

const rule: RuleReference = {
  policy: 'p',
  revision: '1',
  rule: 'file/0',
  action: 'Block',
  tags: [],
};

function denial(profile: string, change: Partial<SensorEvent> = {}): SensorEvent {
  const seq = 1;
  const time = 1000;
  return { seq, time, type: 'denied', profile, operation: 'open', name: '/a', pid: 7, ...change };
}

describe('a denial of a stacked process', () => {
  it('is told once, though each profile of the stack writes it', () => {
    const twins = new StackedTwins();
    expect(twins.isTwin(denial('hostward'), rule)).toBe(false);
    expect(twins.isTwin(denial('hostward-src-x'), rule)).toBe(true);
  });

  it('that happens again is told again, each time once', () => {
    const twins = new StackedTwins();
    const told = ['hostward', 'hostward-src-x', 'hostward', 'hostward-src-x'].map(
      (profile) => !twins.isTwin(denial(profile), rule),
    );
    expect(told).toEqual([true, false, true, false]);
  });

  it.each<[string, Partial<SensorEvent>, RuleReference]>([
    ['another process', { pid: 8 }, rule],
    ['another file', { name: '/b' }, rule],
    ['another permission', { denied: 'w' }, rule],
    ['another time', { time: 1200 }, rule],
    ['another rule', {}, { ...rule, rule: 'file/1' }],
  ])('is not taken for one of %s', (_, change, other) => {
    const twins = new StackedTwins();
    expect(twins.isTwin(denial('hostward'), rule)).toBe(false);
    expect(twins.isTwin(denial('hostward-src-x', change), other)).toBe(false);
  });

  it('is never taken for a twin on BPF, where a process is one subject at a time', () => {
    const twins = new StackedTwins();
    expect(twins.isTwin(denial('hostward', { enforcer: 'bpf' }), rule)).toBe(false);
    expect(twins.isTwin(denial('hostward-src-x', { enforcer: 'bpf' }), rule)).toBe(false);
  });

  it('is remembered within bounds', () => {
    const twins = new StackedTwins();
    for (let pid = 0; pid < 5000; pid += 1) twins.isTwin(denial('hostward', { pid }), rule);
    expect(twins.isTwin(denial('hostward-src-x', { pid: 0 }), rule)).toBe(false);
    expect(twins.isTwin(denial('hostward-src-x', { pid: 4999 }), rule)).toBe(true);
  });
});
