import { breaksNoRule } from './support/seed-run.js';
import { underFaults } from './support/under-faults.js';

/** Left out where the command line names a seed. */
underFaults('two control planes under other faults', () =>
  breaksNoRule(Math.floor(Math.random() * 1_000_000_000)),
);
