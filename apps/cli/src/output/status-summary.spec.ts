import { describe, expect, it } from '@jest/globals';
import type { PolicyStatus, StatusGroup } from '#contracts';
import {
  progressBar,
  progressText,
  selectedText,
  summaryLines,
  tallyText,
} from './status-summary.js';

const group = (state: StatusGroup['state'], hosts: number, over: Partial<StatusGroup> = {}) => ({
  ...{ state, hosts, conditions: [], kept: state === 'enforced', reasons: [] },
  examples: Array.from({ length: Math.min(hosts, 5) }, (_, n) => `${state}-${n}`),
  ...over,
});

const enforced = group('enforced', 9_998);
const failed = group('failed', 1, {
  reasons: [{ reason: 'parser: unexpected token', hosts: 1, examples: ['failed-0'] }],
});

describe('the summary of a status', () => {
  it('counts in one line', () => {
    const drifted = group('enforced', 2, { conditions: ['drifted', 'stale'], kept: false });
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

  const barOf = (policy: string, selected: number, ...summary: StatusGroup[]): string =>
    progressBar({ policy, selected, summary } as unknown as PolicyStatus);

  it('draws how far a policy is, and names who is waited for', () => {
    const two = group('pending', 2, { examples: ['web1', 'web2'] });
    expect(barOf('p', 10_000, enforced, two)).toBe(
      'p [#########-] 9,998 of 10,000 enforced; waits for: web1, web2',
    );
    const drifted = group('enforced', 6, { conditions: ['drifted'], kept: false });
    expect(barOf('p', 10, group('enforced', 4), drifted)).toBe(
      'p [####------] 4 of 10 enforced; waits for: enforced-0, enforced-1 and 4 more',
    );
    expect(barOf('p', 3, group('enforced', 3))).toBe('p [##########] 3 of 3 enforced');
    expect(barOf('p', 0)).toBe('p [----------] 0 of 0 enforced');
  });

  it('draws it in less than 80 columns, whatever the names', () => {
    for (const length of [1, 16, 63, 253]) {
      const names = Array.from({ length: 5 }, (_, n) => String(n).repeat(length));
      const waited = group('pending', 9_999, { examples: names });
      const line = barOf('q'.repeat(length), 10_000, group('enforced', 1), waited);
      expect(line.length).toBeLessThan(80);
      expect(line).toContain('] 1 of 10,000 enforced; waits for');
    }
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
    const half = { conditions: ['simulated' as const] };
    const mixed = { ...status, summary: [group('enforced', 4), group('enforced', 1_200, half)] };
    expect(selectedText(mixed as PolicyStatus)).toBe('10,000 hosts, 1,200 of them simulated');
    const done = { ...status, summary: [enforced] } as PolicyStatus;
    expect(progressText(done)).toBe('policy/p: of 10,000 hosts 9,998 enforced');
  });
});
