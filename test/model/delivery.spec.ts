import { describe, expect, it, jest } from '@jest/globals';
import { explore } from './explore.js';
import type { Bounds } from './state.js';
import { MISTAKES } from './steps.js';

const MINUTE = 60_000;
const isFull = process.env['HOSTWARD_FULL'] === '1';
const ALWAYS: readonly Bounds[] = [
  { commits: 2, faults: 1 },
  { commits: 1, faults: 3 },
];
const FULL: readonly Bounds[] = [
  { commits: 3, faults: 1 },
  { commits: 2, faults: 2 },
];

jest.setTimeout(isFull ? 60 * MINUTE : 5 * MINUTE);

describe('the delivery protocol, in every state within the bounds', () => {
  it.each(isFull ? [...ALWAYS, ...FULL] : ALWAYS)(
    'holds with $commits commits and $faults faults or attacks',
    (bounds) => {
      const { violation, states } = explore(bounds);
      expect(violation).toBeUndefined();
      expect(states).toBeGreaterThan(10_000);
    },
  );

  it.each(MISTAKES)('finds the mistake: %s', (mistake) => {
    const { violation } = explore({ commits: 2, faults: 1 }, mistake);
    expect(violation?.path.length).toBeGreaterThan(0);
  });
});
