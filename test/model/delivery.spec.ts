import { describe, expect, it, jest } from '@jest/globals';
import { explore } from './explore.js';
import type { Bounds } from './state.js';
import { MISTAKES } from './steps.js';

const MINUTE = 60_000;
const isFull = process.env['HOSTWARD_FULL'] === '1';
const ALWAYS: readonly Bounds[] = [
  { commits: 2, faults: 1, begun: true },
  { commits: 1, faults: 2, begun: false },
];
const FULL: readonly Bounds[] = [
  { commits: 3, faults: 1, begun: true },
  { commits: 2, faults: 1, begun: false },
];
/** Until a mistake is found, which is soon; a host can be wronged by what it is to have again only after two changes. */
const LOOKED_THROUGH: Bounds = { commits: 2, faults: 1 };
const WITH_A_POLICY_AGAIN: Bounds = { commits: 3, faults: 1, begun: true };

jest.setTimeout(isFull ? 60 * MINUTE : 5 * MINUTE);

describe('the delivery protocol, in every state within the bounds', () => {
  it.each(isFull ? [...ALWAYS, ...FULL] : ALWAYS)(
    'holds with $commits commits and $faults faults or attacks, begun: $begun',
    (bounds) => {
      const { violation, states } = explore(bounds);
      expect(violation).toBeUndefined();
      expect(states).toBeGreaterThan(10_000);
    },
  );

  it.each(MISTAKES)('finds the mistake: %s', (mistake) => {
    const bounds = mistake.startsWith('write again') ? WITH_A_POLICY_AGAIN : LOOKED_THROUGH;
    const { violation } = explore(bounds, mistake);
    expect(violation?.path.length).toBeGreaterThan(0);
  });
});
