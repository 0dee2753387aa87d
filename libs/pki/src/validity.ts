/** Leaf certificates live this long at most (hours): revoking is not waiting. */
export const MAX_LEAF_HOURS = 24;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Hosts whose clock is a little behind must not refuse a fresh certificate. */
const BACKDATED_MS = 5 * 60_000;

/** From and until, whole seconds as X.509 has them. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Of a leaf: begins five minutes ago and lasts `hours` in all, at most 24. */
export function leafValidity(now: Date, hours: number): Validity {
  if (!(hours > 0 && hours <= MAX_LEAF_HOURS)) {
    throw new RangeError(
      `hours is ${hours}: a leaf certificate lasts more than 0 and at most ${MAX_LEAF_HOURS}`,
    );
  }
  return validity(now, hours * HOUR_MS);
}

/** Of an authority. */
export function authorityValidity(now: Date, days: number): Validity {
  if (!(days > 0 && days <= 36_500))
    throw new RangeError(`days is ${days}: must be above 0 and at most 36500`);
  return validity(now, days * DAY_MS);
}

function validity(now: Date, lifeMs: number): Validity {
  const start = Math.floor((now.getTime() - BACKDATED_MS) / 1000) * 1000;
  return {
    notBefore: new Date(start),
    notAfter: new Date(start + Math.floor(lifeMs / 1000) * 1000),
  };
}
