import { describe, expect, it } from '@jest/globals';
import { explore } from './explore.js';
import { type LedgerMistake, LEDGER_MISTAKES, ledgerModel } from './ledger.js';
import { stepsUnder } from './document.js';

const BOUNDS = { changes: 3, faults: 2 } as const;

describe('the audit log, in every state within the bounds', () => {
  it('tells of each change once, in one chain, whoever dies when', () => {
    const { violation, states, steps } = explore(ledgerModel(BOUNDS));
    expect(violation).toBeUndefined();
    expect(states).toBeGreaterThan(1_000);
    expect([...steps].sort()).toEqual(stepsUnder('The audit log'));
  });

  it.each(Object.entries(LEDGER_MISTAKES) as [LedgerMistake, string][])(
    'finds the mistake: %s, for which %s',
    (mistake, broken) => {
      const { violation } = explore(ledgerModel(BOUNDS, mistake), 'always');
      expect(violation?.broken).toBe(broken);
    },
  );
});
