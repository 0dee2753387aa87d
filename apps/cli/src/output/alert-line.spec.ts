import { describe, expect, it } from '@jest/globals';
import type { Alert } from '#contracts';
import { alertLine } from './alert-line.js';

const ERASE = '\u001b[2K\u001b[1A';

const alert = (over: Partial<Alert>): Alert =>
  ({
    UpdatedTime: '2026-12-02T10:00:00.000000Z',
    Node: 'web1',
    Type: 'MatchedHostPolicy',
    Action: 'Block',
    Operation: 'Process',
    Resource: '/usr/bin/nc',
    Source: '/usr/bin/bash',
    PolicyName: 'no-nc',
    RuleID: 'process/matchPaths/0',
    Result: 'Permission denied',
    Data: 'operation=exec',
    PID: 7,
    Suppressed: 0,
    ...over,
  }) as Alert;

describe('the line of an alert', () => {
  it('says who was refused what, and how often', () => {
    expect(alertLine(alert({ Suppressed: 3 }))).toBe(
      '2026-12-02T10:00:00.000000Z web1 BLOCK Process /usr/bin/nc by /usr/bin/bash [no-nc process/matchPaths/0] Permission denied (+3 alike)',
    );
  });

  it.each(['MatchedHostPolicy', 'SystemEvent', 'HostLog'] as const)(
    'has nothing of a host that moves the cursor: %s',
    (type) => {
      const texts = ['UpdatedTime', 'Node', 'Resource', 'Source', 'PolicyName', 'RuleID', 'Data'];
      for (const text of [...texts, 'Message'])
        expect(alertLine(alert({ Type: type, [text]: `x${ERASE}\n` }))).toMatch(/^\P{Cc}+$/u);
    },
  );
});
