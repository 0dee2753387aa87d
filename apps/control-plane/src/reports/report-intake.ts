import { Injectable } from '@nestjs/common';
import { RefusedError, openReport } from '#bundle';
import { Log } from '#observability';
import { Clock } from '../http/clock.js';
import { Metrics } from '../health/metrics.js';
import { HeldHeads } from '../store/held-heads.js';
import { ShapeError } from '../http/shape.js';
import { CloneService } from './clone.service.js';
import { KnownHosts } from './known-hosts.js';
import { parseReport } from './parse-report.js';
import { ReportCache } from './report-cache.js';

/** Takes states of hosts: opened with the host's key, read strictly, kept if newer. */
@Injectable()
export class ReportIntake {
  constructor(
    private readonly hosts: KnownHosts,
    private readonly cache: ReportCache,
    private readonly clones: CloneService,
    private readonly heads: HeldHeads,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /**
   * Takes a sealed state that lies under the host's id; what the host did not seal is counted and ignored. False where it
   * could not be read: with another channel key, of which we are about to hear, perhaps it can.
   */
  take(nodeId: string, sealed: Uint8Array): boolean {
    const host = this.hosts.find(nodeId);
    if (!host) return false;
    try {
      const report = parseReport(openReport(host.channelKey, nodeId, sealed), nodeId);
      if (!this.clones.admits(host, report)) this.metrics.reportsRefused.inc({ reason: 'clone' });
      else if (this.cache.put(report, this.clock.nowMs())) {
        this.metrics.reports.inc();
        this.heads.take(host, report.heads ?? []);
      }
      return true;
    } catch (error) {
      const reason = error instanceof RefusedError ? error.code : 'shape';
      this.metrics.reportsRefused.inc({ reason });
      const expected = error instanceof RefusedError || error instanceof ShapeError;
      this.log[expected ? 'warn' : 'error']('a report was refused', { node: host.node, error });
      return false;
    }
  }
}
