import type { HostCosts } from './scale-model.js';

const [US, MS, KIB] = [1e-6, 1e-3, 1_024] as const;

/**
 * What our own benches measured of one host, in seconds and bytes: those of the constants of docs/reference/scale.md that are used
 * here, by the same names. There is by which bench each was measured, and on what; scale-paper.spec.ts holds them together.
 */
export const MEASURED = {
  /** CPU of a control plane for a change: leaf, seal, proof, record. */
  c1: 12.8 * US,
  /** CPU of a control plane in a second without any change. */
  c4: 2.65 * US,
  /** Memory of a control plane. */
  c5: 27 * KIB,
  /** A report. */
  c7: 1_220,
  /** Its user put back into a Redis that lost all. */
  c8: 89 * US,
  /** CPU of a control plane for a change, its report too. */
  c10: 0.21 * MS,
  /** CPU of Redis for the same. */
  c11: 0.2 * MS,
  /** A signed status. */
  c13: 4_721,
  /** CPU of Redis for an assignment and its nudge. */
  c14: 57 * US,
  /** CPU of Redis for a handshake and login. */
  c15: 0.8 * MS,
  /** Time from a change to one host until it is in force there. */
  c16: 37 * MS,
  /** CPU of both Redis for a report at rest, and all until the next one. */
  c17: 0.76 * MS,
  /** Memory of both Redis. */
  c18: 112 * KIB,
} as const;

/** What the simulation takes of them, in ms. */
export const COSTS: HostCosts = {
  write: MEASURED.c1 / MS,
  redisWrite: MEASURED.c14 / MS,
  redisReport: (MEASURED.c11 - MEASURED.c14) / MS,
  report: (MEASURED.c10 - MEASURED.c1) / MS,
  host: MEASURED.c16 / MS,
  connect: MEASURED.c15 / MS,
  user: MEASURED.c8 / MS,
};
