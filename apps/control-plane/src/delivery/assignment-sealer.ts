import { buildCommit } from '#bundle';
import type { DeliveryRecord, Ordering } from '#contracts';
import type { Clock } from '../clock.js';
import type { Trust } from '../config/trust.js';
import type { FleetState } from '../fleet/fleet-state.js';
import type { RestoreGuard } from '../trust/restore-guard.js';
import { ASSIGNMENT_VALID_MS, type WantedAssignment } from './assignment-plan.js';

/** What is sealed with. */
export interface SealerParts {
  readonly state: Pick<FleetState, 'revision'>;
  readonly trust: Pick<Trust, 'root' | 'earlierRoots' | 'online'>;
  readonly clock: Clock;
  readonly restoreGuard: Pick<RestoreGuard, 'published'>;
}

/** What is to be written for a host, and what it was made from. */
export interface SealedAssignment {
  readonly wanted: WantedAssignment;
  readonly record: DeliveryRecord;
}

/** An assignment that was lost on its way, and the ordering that it had. */
export interface LostAssignment {
  readonly wanted: WantedAssignment;
  readonly ordering: Ordering;
}

/** Seals assignments, many under one signature. */
export class AssignmentSealer {
  #issuedAt = 0;

  constructor(private readonly parts: SealerParts) {}

  /** At the revision and under the root document of this moment, each time at an ordering of its own. */
  seal(due: readonly WantedAssignment[]): readonly SealedAssignment[] {
    if (due.length === 0) return [];
    const { trust, clock, state } = this.parts;
    const { epoch } = trust.root.document;
    this.#issuedAt = Math.max(clock.nowMs(), this.#issuedAt + 1);
    const generation = state.revision.toString();
    return this.#sealed({ epoch, generation, issuedAt: this.#issuedAt }, due);
  }

  /** Each at the ordering that it had: to a host that has taken it, it is nothing new. */
  sealAgain(lost: readonly LostAssignment[]): readonly SealedAssignment[] {
    const alike = Map.groupBy(lost, ({ ordering: { epoch, generation, issuedAt } }) =>
      [epoch, generation, issuedAt].join(),
    );
    return [...alike.values()].flatMap((group) => {
      const [first] = group;
      return first
        ? this.#sealed(
            first.ordering,
            group.map(({ wanted }) => wanted),
          )
        : [];
    });
  }

  /** The next one comes after what is there: at the same generation a later issuedAt counts. */
  passBy(ours: Ordering, there: Ordering): void {
    if (there.epoch === ours.epoch && there.generation === ours.generation) {
      this.#issuedAt = Math.max(this.#issuedAt, there.issuedAt);
    }
  }

  #sealed(ordering: Ordering, due: readonly WantedAssignment[]): readonly SealedAssignment[] {
    const { trust, restoreGuard } = this.parts;
    const { root, earlierRoots, online: signer } = trust;
    restoreGuard.published(ordering);
    const assignments = due.map((wanted) => unsealed(wanted, ordering.issuedAt));
    const { records } = buildCommit({ ordering, root, earlierRoots, signer, assignments });
    return due.flatMap((wanted) => {
      const record = records.get(wanted.nodeId);
      return record ? [{ wanted, record }] : [];
    });
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
