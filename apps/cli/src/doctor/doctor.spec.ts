import { describe, expect, it } from '@jest/globals';
import { versionFinding } from './access-findings.js';
import { certificateFinding, clockFinding } from './judge-link.js';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const HOUR = 3_600_000;
const header = (ms: number): string => new Date(ms).toUTCString();

describe('what the doctor says of the link', () => {
  it.each([
    ['the same', header(NOW - 2_000), 'ok', "it is the control plane's"],
    ['two days ahead', header(NOW - 48 * HOUR), 'failed', '172800 s ahead of'],
    ['behind', header(NOW + HOUR), 'failed', '3600 s behind'],
    ['not told', undefined, 'warning', 'does not tell its time'],
  ])('a clock that is %s', (_title, date, verdict, words) => {
    expect(clockFinding(date, NOW)).toMatchObject({
      verdict,
      cause: expect.stringContaining(words),
    });
  });

  it.each([
    ['believed', { notAfter: new Date(NOW + 20 * HOUR) }, 'ok'],
    ['about to end', { notAfter: new Date(NOW + HOUR) }, 'warning'],
    ['over', { trouble: 'CERT_HAS_EXPIRED', notAfter: new Date(NOW - 1) }, 'failed'],
    ['of another CA', { trouble: 'SELF_SIGNED', notAfter: new Date(NOW + 20 * HOUR) }, 'failed'],
    ['without an end', { trouble: 'x', notAfter: new Date(NaN) }, 'failed'],
  ])('a certificate that is %s', (_title, shown, verdict) => {
    expect(certificateFinding(shown, NOW)).toMatchObject({ check: 'certificate', verdict });
  });
});

it('hosts of other versions are counted by version', () => {
  expect(versionFinding({ '1.1.0': 3 }, '1.1.0').verdict).toBe('ok');
  expect(versionFinding({ '1.0.0': 1, '1.1.0': 3, '0.9.0': 2 }, '1.1.0')).toMatchObject({
    verdict: 'warning',
    cause: '1 runs 1.0.0, 2 run 0.9.0; this is 1.1.0',
  });
});
