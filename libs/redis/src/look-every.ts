const LEAST_MS = 30_000;
const PER_HOST_MS = 12;

/**
 * How often all hosts are looked at without a reason: what a look costs grows with their number, so from 2,500 on it is
 * made more rarely, for 10,000 every two minutes.
 */
export function lookEveryMs(hosts: number, leastMs = LEAST_MS): number {
  return Math.max(leastMs, hosts * PER_HOST_MS);
}
