import { CHOSEN, breaksNoRule } from './support/seed-run.js';
import { underFaults } from './support/under-faults.js';

underFaults('two control planes under faults', () => breaksNoRule(Number(CHOSEN ?? 1)));
