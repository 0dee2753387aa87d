import { describe, expect, it } from '@jest/globals';
import { reasonLines } from './reasons.js';

const rule = (id: string, state: 'unsupported' | 'failed', reason?: string) => ({
  id,
  state,
  reason,
});

describe('the reasons below a status', () => {
  it('tells each reason once, with the hosts and the rules it is about', () => {
    const lines = reasonLines([
      { of: 'web1', rules: [rule('a', 'unsupported', 'no'), rule('b', 'unsupported', 'no')] },
      { of: 'web2', rules: [rule('a', 'unsupported', 'no'), rule('b', 'unsupported', 'no')] },
      { of: 'web3', rules: [rule('a', 'unsupported', 'no'), rule('b', 'failed', 'parser: bad')] },
    ]);
    expect(lines).toEqual([
      'unsupported: no',
      '  web1, web2: a, b',
      '  web3: a',
      'failed: parser: bad',
      '  web3: b',
    ]);
  });

  it('is silent about rules that have no reason', () => {
    expect(reasonLines([{ of: 'web1', rules: [rule('a', 'failed')] }])).toEqual([]);
  });

  it('keeps to 80 columns with many hosts and long rules, and forges no line', () => {
    const rules = Array.from({ length: 30 }, (_, i) =>
      rule(`process/matchDirectories/${i}`, 'failed', `a\nb ${'word '.repeat(40)}`),
    );
    const text = reasonLines(
      Array.from({ length: 40 }, (_, i) => ({ of: `a-host-with-a-name-${i}`, rules })),
    ).join('\n');
    expect(text).toContain('failed: a?b');
    expect(text).toContain('and 22 more');
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});
