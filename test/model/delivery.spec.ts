import { describe, expect, it, jest } from '@jest/globals';
import { deliveryModel } from './delivery.js';
import { explore } from './explore.js';
import { type Mistake, MISTAKES } from './mistakes.js';
import type { Bounds } from './state.js';
import { stepsUnder } from './document.js';

const MINUTE = 60_000;
const isFull = process.env['HOSTWARD_FULL'] === '1';
const ALWAYS: readonly Bounds[] = [
  { commits: 2, faults: 1, begun: true, revokes: false },
  { commits: 2, faults: 1, begun: true, revokes: true },
  { commits: 1, faults: 2, begun: false, revokes: false },
];
const FULL: readonly Bounds[] = [
  { commits: 3, faults: 1, begun: true, revokes: false },
  { commits: 2, faults: 1, begun: false, revokes: false },
];
/** Until a mistake is found, which is soon; a host can be wronged by what it is to have again only after two changes. */
const LOOKED_THROUGH: Bounds = { commits: 2, faults: 1 };
const WITH_A_REVOCATION: Bounds = { ...LOOKED_THROUGH, begun: true, revokes: true };
const WITH_A_POLICY_AGAIN: Bounds = { commits: 3, faults: 1, begun: true };

/** Of all explorations. */
const taken = new Set<string>();

jest.setTimeout(isFull ? 60 * MINUTE : 15 * MINUTE);

describe('the delivery protocol, in every state within the bounds', () => {
  it.each(isFull ? [...ALWAYS, ...FULL] : ALWAYS)(
    'holds with $commits commits and $faults faults or attacks, begun: $begun, revokes: $revokes',
    (bounds) => {
      const { violation, states, steps } = explore(deliveryModel(bounds));
      expect(violation).toBeUndefined();
      expect(states).toBeGreaterThan(10_000);
      for (const step of steps) taken.add(step);
    },
  );

  it('takes the steps that the document names, and no others', () => {
    expect([...taken].sort()).toEqual(stepsUnder('Which step is which code'));
  });

  it.each(Object.entries(MISTAKES) as [Mistake, string][])(
    'finds the mistake: %s, for which %s',
    (mistake, broken) => {
      const asked = /^(at rest|it never)/.test(broken) ? 'all' : 'always';
      const { violation } = explore(deliveryModel(boundsFor(mistake), mistake), asked);
      expect(violation?.broken).toBe(broken);
    },
  );
});

function boundsFor(mistake: Mistake): Bounds {
  if (mistake.startsWith('write again')) return WITH_A_POLICY_AGAIN;
  return mistake.startsWith('serve hosts') ? WITH_A_REVOCATION : LOOKED_THROUGH;
}
