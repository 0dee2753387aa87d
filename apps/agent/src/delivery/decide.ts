import { compareAssignmentVersion } from '#bundle';
import type { AssignmentVersion } from '#contracts';

/** A record that the host did not take: told apart by its bytes, since what it claims about itself proves nothing. */
export interface Refusal {
  readonly fingerprint: string;
  readonly attempts: number;
  /** By the clock that nobody sets: not tried again before. */
  readonly retryAt: number;
}

/** What is offered: the order it claims, and a digest of the record as it came. */
export interface Offer {
  readonly assignmentVersion: AssignmentVersion;
  readonly fingerprint: string;
}

/** What the sensor says that it has proved: the greatest ever accepted, what is in force, and why they may differ. */
export interface Held {
  readonly highest?: AssignmentVersion;
  readonly inForce?: AssignmentVersion;
  readonly fellBack: boolean;
}

/** take: hand it to the sensor; equal, older: nothing to do; wait: refused before, and not yet time to try again. */
export type Decision = 'take' | 'equal' | 'older' | 'wait';

/**
 * Whether an offered assignment goes to the sensor. `held` is never what a refused record claimed: so a forged record
 * with a giant generation cannot make the host deaf to good ones. One that was accepted and is not in force is tried
 * again, unless the host fell back from it: that one waits for a newer.
 */
export function decide(
  offer: Offer,
  held: Held,
  refusal: Refusal | undefined,
  now: number,
): Decision {
  const order =
    held.highest === undefined
      ? 1
      : compareAssignmentVersion(offer.assignmentVersion, held.highest);
  if (order < 0) return 'older';
  if (order === 0 && (held.fellBack || isInForce(offer, held))) return 'equal';
  if (refusal?.fingerprint === offer.fingerprint && now < refusal.retryAt) return 'wait';
  return 'take';
}

function isInForce(offer: Offer, { inForce }: Held): boolean {
  return inForce !== undefined && compareAssignmentVersion(offer.assignmentVersion, inForce) === 0;
}
