import { checkApart } from './checks/apart.js';
import { checkHosts } from './checks/hosts.js';
import { checkLedgers } from './checks/ledgers.js';
import { checkOffers } from './checks/offers.js';
import { checkOperations } from './checks/operations.js';
import { checkRest } from './checks/rest.js';
import { checkSettled } from './checks/settled.js';
import { checkStatus } from './checks/status.js';
import type { Violation } from './checks/violation.js';
import type { Line } from './history.js';
import { Truth } from './truth.js';

/** Everything that a history shows to have been wrong, by the rules of `RULES`. Pure: the same history, the same answer. */
export function check(history: readonly Line[]): readonly Violation[] {
  const truth = new Truth(history);
  return [
    ...checkHosts(history, truth),
    ...checkOffers(history),
    ...checkRest(history, truth),
    ...checkStatus(history, truth),
    ...checkSettled(history, truth),
    ...checkApart(history, truth),
    ...checkOperations(history, truth),
    ...checkLedgers(history, truth),
  ];
}
