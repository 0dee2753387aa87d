import type { DeliveryRecord } from '#contracts';
import type { Log } from '#observability';
import type { Clock } from '../http/clock.js';
import type { Replicas } from '../replicas/replicas.js';
import { isDue, type WantedAssignment } from './assignment-plan.js';
import type { AssignmentWriter } from './assignment-writer.js';
import type { DeliveredState } from './delivered-state.js';
import type { DeliveryChannel } from './delivery-channel.js';
import type { WaitingHosts } from './waiting-hosts.js';

/** What is known of others, and of what they have written. */
export interface PeerOwnedParts {
  readonly channel: Pick<DeliveryChannel, 'records'>;
  readonly delivered: DeliveredState;
  readonly replicas: Pick<Replicas, 'owns'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Records that are read at a time. */
const LOOKS_AT_ONCE = 200;

/** Hosts of other replicas are left to them: what is there is looked at, and they are written for here when that is late. */
export class PeerOwnedHosts {
  constructor(
    private readonly parts: PeerOwnedParts,
    private readonly waiting: WaitingHosts,
    private readonly writer: AssignmentWriter,
  ) {}

  /** What is to be written here: of our own hosts, and of those whose owner is late. */
  leave(due: readonly WantedAssignment[]): readonly WantedAssignment[] {
    const { replicas, delivered, clock, log } = this.parts;
    const { peerOwned } = this.waiting;
    const nowMs = clock.nowMs();
    let late = 0;
    const mine = due.filter((wanted) => {
      const { node, nodeId } = wanted;
      if (peerOwned.isLate(node)) return (late += 1) > 0;
      if (replicas.owns(nodeId)) return true;
      // Two replicas notice a loss seconds apart; what the other one has written there is better than something newer.
      if (isDue(delivered.lost(nodeId), wanted, nowMs)) peerOwned.begin(node);
      else peerOwned.beginPatiently(node);
      return false;
    });
    if (late > 0) log.info('hosts that another replica left waiting are written here', { late });
    return mine;
  }

  /** Looks whether others have written what they are to write, where it is time to. */
  async look(): Promise<void> {
    const { due, keyless } = this.waiting.planOfOthers();
    for (const node of keyless) this.waiting.peerOwned.end(node);
    for (let start = 0; start < due.length; start += LOOKS_AT_ONCE)
      await this.#lookAt(due.slice(start, start + LOOKS_AT_ONCE));
  }

  /** Takes as written what is there as it is wanted, by whomever it is rendered. */
  async #lookAt(looked: readonly WantedAssignment[]): Promise<void> {
    const { era } = this.writer;
    const records = await this.parts.channel.records(looked.map(({ nodeId }) => nodeId));
    if (era !== this.writer.era) return;
    const found = looked.map((wanted, index) => {
      return { wanted, there: this.#unlessClaimed(wanted, records[index]) };
    });
    const verdicts = await this.writer.take(found);
    if (era !== this.writer.era) return;
    for (const [index, { node }] of looked.entries()) {
      if (verdicts[index] !== 'valid') this.waiting.peerOwned.missed(node);
    }
  }

  /** Undefined where the host has something later, and would not take this. */
  #unlessClaimed(
    wanted: WantedAssignment,
    there: DeliveryRecord | undefined,
  ): DeliveryRecord | undefined {
    if (!there || !this.waiting.claims.isAfter(wanted.node, there.assignmentVersion)) return there;
    this.waiting.outdate(wanted, there.assignmentVersion);
    return undefined;
  }
}
