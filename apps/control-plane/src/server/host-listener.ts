import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { compareAssignmentVersion } from '#bundle';
import { EventQueue } from '../alerts/event-queue.js';
import { Deliveries } from '../delivery/deliveries.js';
import { CloneService } from '../reports/clone.service.js';
import { HostInbox } from '../reports/host-inbox.js';
import { KnownHosts } from '../reports/known-hosts.js';
import { ReportCache } from '../reports/report-cache.js';
import { ReportIntake } from '../reports/report-intake.js';
import { Fleet } from '../store/fleet.js';
import { shardOf } from '../store/redis-shard.js';

/** Gives what hosts send to those who read it: states to the reports, events to the alerts. */
@Injectable()
export class HostListener implements OnModuleInit, OnModuleDestroy {
  constructor(
    private readonly inbox: HostInbox,
    private readonly fleet: Fleet,
    private readonly hosts: KnownHosts,
    private readonly clones: CloneService,
    private readonly intake: ReportIntake,
    private readonly reports: ReportCache,
    private readonly deliveries: Deliveries,
    private readonly events: EventQueue,
  ) {}

  onModuleInit(): void {
    this.inbox.start({
      isKnown: (nodeId) => this.hosts.find(nodeId) !== undefined,
      known: () => this.hosts.ids(),
      closely: () => this.clones.closely(),
      shardOf: (nodeId) => shardOf(this.fleet.state, nodeId),
      isAwaited: (nodeId) => this.#isAwaited(nodeId),
      isWriting: (shard) => this.deliveries.isWriting(shard),
      state: (nodeId, sealed) => this.#takeState(nodeId, sealed),
      events: (nodeId) => this.events.add(nodeId),
    });
  }

  onModuleDestroy(): void {
    this.inbox.stop();
  }

  #isAwaited(nodeId: string): boolean {
    const written = this.deliveries.written(nodeId)?.assignmentVersion;
    const applied = this.reports.get(nodeId)?.report.applied;
    return !written || !applied || compareAssignmentVersion(applied, written) !== 0;
  }

  #takeState(nodeId: string, sealed: Uint8Array): boolean {
    const isTaken = this.intake.take(nodeId, sealed);
    const { seen, applied } = this.reports.get(nodeId)?.report ?? {};
    const highest = seen ?? applied;
    if (isTaken && highest) this.deliveries.told(nodeId, highest);
    return isTaken;
  }
}
