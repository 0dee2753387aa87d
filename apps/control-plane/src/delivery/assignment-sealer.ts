import { buildCommit } from '#bundle';
import type { DeliveryRecord, Ordering } from '#contracts';
import type { Clock } from '../clock.js';
import type { Trust } from '../config/trust.js';
import type { FleetState } from '../fleet/fleet-state.js';
import type { RestoreGuard } from '../trust/restore-guard.js';
import { ASSIGNMENT_VALID_MS, type WantedAssignment } from './assignment-plan.js';

interface SealerParts {
  readonly state: Pick<FleetState, 'revision'>;
  readonly trust: Pick<Trust, 'root' | 'earlierRoots' | 'online'>;
  readonly clock: Clock;
  readonly restoreGuard: Pick<RestoreGuard, 'published'>;
}

/** Seals assignments, many under one signature, each time at an ordering of its own. */
export class AssignmentSealer {
  #issuedAt = 0;

  constructor(private readonly parts: SealerParts) {}

  /** At the revision and under the root document of this moment; by node id. */
  seal(due: readonly WantedAssignment[]): ReadonlyMap<string, DeliveryRecord> {
    const { trust, clock, state, restoreGuard } = this.parts;
    const { root, earlierRoots, online: signer } = trust;
    const { epoch } = root.document;
    this.#issuedAt = Math.max(clock.nowMs(), this.#issuedAt + 1);
    const ordering = { epoch, generation: state.revision.toString(), issuedAt: this.#issuedAt };
    restoreGuard.published(ordering);
    const assignments = due.map((wanted) => unsealed(wanted, this.#issuedAt));
    return buildCommit({ ordering, root, earlierRoots, signer, assignments }).records;
  }

  /** The next one comes after what is there: at the same generation a later issuedAt counts. */
  passBy(ours: Ordering, there: Ordering): void {
    if (there.epoch === ours.epoch && there.generation === ours.generation) {
      this.#issuedAt = Math.max(this.#issuedAt, there.issuedAt);
    }
  }
}

/** What is sealed for a host, as `buildCommit` takes it. */
function unsealed(
  { nodeId, bundle, hostKey, sealedHostKey, suspension, labels, visibility = [] }: WantedAssignment,
  issuedAt: number,
) {
  return {
    nodeId,
    hostKey,
    sealedHostKey,
    bundleDigest: bundle.digest,
    dataKey: bundle.dataKey,
    reportEpoch: 0,
    expiresAt: issuedAt + ASSIGNMENT_VALID_MS,
    ...(suspension && {
      suspension: {
        mode: suspension.mode,
        until: Date.parse(suspension.until),
        reason: suspension.reason,
      },
    }),
    ...(labels && { labels }),
    ...(visibility.length > 0 && { visibility }),
  };
}
