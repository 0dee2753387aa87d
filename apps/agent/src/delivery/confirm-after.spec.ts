import { describe, expect, it } from '@jest/globals';
import { MAX_REPORT_INTERVAL_MS, REPORT_INTERVAL_MS } from '#contracts';
import { confirmAfterMs } from './confirm-after.js';

/** Mirror of the default of hostward-sensor --confirm-timeout. */
const PATIENCE_MS = 30_000;

describe('when a host confirms a swap', () => {
  it('is one to four seconds after it in a small fleet', () => {
    expect(confirmAfterMs(REPORT_INTERVAL_MS, 0)).toBe(1_000);
    expect(confirmAfterMs(REPORT_INTERVAL_MS, 1)).toBe(4_000);
  });

  it.each([2 * REPORT_INTERVAL_MS, MAX_REPORT_INTERVAL_MS])(
    'is later where a report comes every %i ms, and leaves a third of the patience of the sensor for trying again',
    (reportEveryMs) => {
      expect(confirmAfterMs(reportEveryMs, 0)).toBe(5_000);
      expect(confirmAfterMs(reportEveryMs, 1)).toBe((2 * PATIENCE_MS) / 3);
    },
  );
});
