import type { BundleIndex } from './bundle-index.js';
import type { Clock } from '../http/clock.js';
import type { FleetState } from '../store/fleet-state.js';
import type { Replicas } from '../replicas/replicas.js';
import { isHalfOver } from './assignment-plan.js';
import type { AssignmentWriter } from './assignment-writer.js';
import type { RemovedHostCollector } from './removed-host-collector.js';
import { type Findings, Inspection, type InspectionParts } from './inspection.js';
import type { WaitingHosts } from './waiting-hosts.js';

/** What is kept up, and what by. */
export interface StaleKeyParts extends InspectionParts {
  readonly state: Pick<FleetState, 'revision'>;
  readonly bundles: Pick<BundleIndex, 'retain'>;
  readonly replicas: Pick<Replicas, 'owns'>;
  readonly clock: Clock;
}

/** More than the time between two calls of `renew` in any replica, so that the owner of a host comes first. */
const OTHERS_RENEW_AFTER_MS = 60_000;

/** Keeps up what was written: renews it, puts back what vanished, and removes what nobody names any more. */
export class StaleKeyCollector {
  readonly #inspection: Inspection;
  #isDue = false;

  constructor(
    private readonly parts: StaleKeyParts,
    private readonly waiting: WaitingHosts,
    private readonly writer: AssignmentWriter,
    private readonly removedHosts: RemovedHostCollector,
  ) {
    this.#inspection = new Inspection(parts);
  }

  /** The channel is filled anew. */
  filled(): void {
    this.#inspection.filled();
  }

  /** Puts hosts on the list whose assignment is half over; their owner has done that before others look. */
  renew(): void {
    const { delivered, clock, replicas } = this.parts;
    const nowMs = clock.nowMs();
    for (const written of delivered.all()) {
      const { node, nodeId } = written.wanted;
      const atMs = replicas.owns(nodeId) ? nowMs : nowMs - OTHERS_RENEW_AFTER_MS;
      if (isHalfOver(written, atMs)) this.waiting.add(node);
    }
  }

  /** The next round compares what was written with what the channel holds. */
  ask(): void {
    this.#isDue = true;
  }

  /**
   * Where it was asked for. Not before etcd was read, nor while hosts wait: the delivered state would not name what they are to have.
   * Where these are only such as something is in the way of, what is missing is put back, and nothing is removed.
   */
  async putRight(): Promise<void> {
    const retries = this.waiting.retries.size;
    if (!this.#isDue || this.waiting.size > retries || this.parts.state.revision === 0n) return;
    this.#isDue = false;
    const { missing, unnamed } = await this.#inspection.look(retries === 0);
    await this.#putBack(missing);
    await this.parts.channel.dropBundles([...unnamed.bundles]);
    for (const nodeId of unnamed.nodeIds) await this.removedHosts.forget(nodeId);
    const counts = [missing.bundles, missing.nodeIds, unnamed.bundles, unnamed.nodeIds].map(
      ({ size }) => size,
    );
    if (counts.some((count) => count > 0))
      this.parts.log.info('the channel was put right', { counts });
  }

  /** Bundles at once, assignments in the next round. */
  async #putBack(missing: Findings['missing']): Promise<void> {
    const { delivered } = this.parts;
    this.writer.gone(missing.bundles);
    for (const { wanted, assignmentVersion, bundleDigest } of [...delivered.all()]) {
      if (missing.bundles.has(wanted.bundle.digest)) {
        await this.writer.store(wanted.bundle.digest, wanted.bundle.ciphertext);
      }
      const isPeers = bundleDigest !== wanted.bundle.digest;
      const isBare = isPeers && missing.bundles.has(bundleDigest);
      if (!isBare && !missing.nodeIds.has(wanted.nodeId)) continue;
      if (isBare) {
        this.waiting.outdate(wanted, assignmentVersion);
        delivered.begin(wanted.nodeId);
      } else delivered.lose(wanted.nodeId);
      this.waiting.add(wanted.node);
    }
  }

  /** Not while hosts wait: what they are to have, or still have, the delivered state does not name. */
  async dropUnused(): Promise<void> {
    if (this.waiting.size > 0) return;
    const { bundles, delivered, channel } = this.parts;
    const unused = bundles.retain(delivered.digests());
    this.writer.gone(unused);
    if (unused.length > 0) await channel.dropBundles(unused);
  }
}
