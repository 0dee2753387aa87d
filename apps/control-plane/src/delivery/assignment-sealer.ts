import { buildCommit } from '#bundle';
import type { DeliveryRecord, AssignmentVersion } from '#contracts';
import type { Clock } from '../http/clock.js';
import type { Trust } from '../config/trust.js';
import type { FleetState } from '../store/fleet-state.js';
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

/** An assignment, and the assignment version that it is to have. */
export interface OrderedAssignment {
  readonly wanted: WantedAssignment;
  readonly assignmentVersion: AssignmentVersion;
}

/** Seals assignments, many under one signature. */
export class AssignmentSealer {
  #issuedAt = 0;

  constructor(private readonly parts: SealerParts) {}

  /**
   * At the revision and under the root document of this moment, each time at an assignment version of its own; for a host by itself
   * after what it claims to have.
   */
  seal(
    due: readonly WantedAssignment[],
    claims: ReadonlyMap<string, AssignmentVersion>,
  ): readonly SealedAssignment[] {
    if (due.length === 0) return [];
    const { trust, clock, state } = this.parts;
    const { epoch } = trust.root.document;
    this.#issuedAt = Math.max(clock.nowMs(), this.#issuedAt + 1);
    const generation = state.revision.toString();
    const assignmentVersion = { epoch, generation, issuedAt: this.#issuedAt };
    return this.sealAt(
      due.map((wanted) => ({
        wanted,
        assignmentVersion: after(assignmentVersion, claims.get(wanted.node)),
      })),
    );
  }

  /** Each at its assignment version; those that have one in common under one signature. */
  sealAt(assignments: readonly OrderedAssignment[]): readonly SealedAssignment[] {
    const alike = Map.groupBy(
      assignments,
      ({ assignmentVersion: { epoch, generation, issuedAt } }) =>
        [epoch, generation, issuedAt].join(),
    );
    return [...alike.values()].flatMap((group) => {
      const [first] = group;
      return first
        ? this.#sealed(
            first.assignmentVersion,
            group.map(({ wanted }) => wanted),
          )
        : [];
    });
  }

  #sealed(
    assignmentVersion: AssignmentVersion,
    due: readonly WantedAssignment[],
  ): readonly SealedAssignment[] {
    const { trust, restoreGuard } = this.parts;
    const { root, earlierRoots, online: signer } = trust;
    restoreGuard.published(assignmentVersion);
    const assignments = due.map((wanted) => unsealed(wanted, assignmentVersion.issuedAt));
    const { records } = buildCommit({ assignmentVersion, root, earlierRoots, signer, assignments });
    return due.flatMap((wanted) => {
      const record = records.get(wanted.nodeId);
      return record ? [{ wanted, record }] : [];
    });
  }
}

/** `ours`, or where what a host has is of the same generation and not older, just after that. */
function after(ours: AssignmentVersion, claim: AssignmentVersion | undefined): AssignmentVersion {
  if (claim?.epoch !== ours.epoch || claim.generation !== ours.generation) return ours;
  return { ...ours, issuedAt: Math.max(ours.issuedAt, claim.issuedAt + 1) };
}

/** What is sealed for a host, as `buildCommit` takes it. */
function unsealed(
  {
    nodeId,
    bundle,
    channelKey,
    sealedChannelKey,
    suspension,
    labels,
    visibility = [],
  }: WantedAssignment,
  issuedAt: number,
) {
  return {
    nodeId,
    channelKey,
    sealedChannelKey,
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
