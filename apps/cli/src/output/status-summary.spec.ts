import { describe, expect, it } from '@jest/globals';
import type { PolicyStatus, StatusGroup } from '#contracts';
import { progressText, selectedText, summaryLines, tallyText } from './status-summary.js';

const group = (state: StatusGroup['state'], hosts: number, over: Partial<StatusGroup> = {}) => ({
  ...{ state, hosts, qualifiers: [], kept: state === 'enforced', reasons: [] },
  examples: Array.from({ length: Math.min(hosts, 5) }, (_, n) => `${state}-${n}`),
  ...over,
});

const enforced = group('enforced', 9_998);
const failed = group('failed', 1, {
  reasons: [{ reason: 'parser: unexpected token', hosts: 1, examples: ['failed-0'] }],
});

describe('the summary of a status', () => {
  it('counts in one line', () => {
    const drifted = group('enforced', 2, { qualifiers: ['drifted', 'stale'], kept: false });
    expect(tallyText([enforced, drifted, group('pending', 1), failed])).toBe(
      '9,998 enforced, 2 enforced but drifted and stale, 1 pending, 1 failed',
    );
  });

  it('says who lacks something and why, with names where there are few and counts where there are many', () => {
    const unknown = group('unknown', 1_000, {
      reasons: [{ reason: 'silent', hosts: 900, examples: ['a', 'b'] }],
    });
    expect(summaryLines([enforced, group('pending', 7), failed, unknown])).toEqual([
      '9,998 enforced',
      '7 pending: pending-0, pending-1, pending-2, pending-3, pending-4 and 2 more',
      '1 failed: parser: unexpected token',
      '  failed-0',
      '1,000 unknown',
      '  900: silent',
      '    a, b and 898 more',
      '  100: for other reasons, or none that was told',
    ]);
  });

  it('keeps to 80 columns and forges no line', () => {
    const long = 'a-name-that-is-rather-long-for-a-host.example.org';
    const reason = `a\nb ${'word '.repeat(60)}`;
    const lines = summaryLines([
      group('pending', 900, { examples: Array.from({ length: 5 }, () => long) }),
      group('failed', 2, { reasons: [{ reason, hosts: 2, examples: [long, long] }] }),
    ]);
    expect(lines.join('\n')).toContain('failed: a?b');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('names the first who are waited for while it goes on', () => {
    const status: Partial<PolicyStatus> = {
      policy: 'p',
      selected: 10_000,
      summary: [enforced, group('pending', 4), failed],
    };
    expect(progressText(status as PolicyStatus)).toBe(
      'policy/p: of 10,000 hosts 9,998 enforced, 4 pending, 1 failed; waiting for pending-0, pending-1, pending-2 and 2 more',
    );
    expect(selectedText(status as PolicyStatus)).toBe('10,000 hosts');
    const half = { qualifiers: ['simulated' as const] };
    const mixed = { ...status, summary: [group('enforced', 4), group('enforced', 1_200, half)] };
    expect(selectedText(mixed as PolicyStatus)).toBe('10,000 hosts, 1,200 of them simulated');
    const done = { ...status, summary: [enforced] } as PolicyStatus;
    expect(progressText(done)).toBe('policy/p: of 10,000 hosts 9,998 enforced');
  });
});
