import { Injectable } from '@nestjs/common';
import { Log } from '#observability';
import { Trust } from '../config/trust.js';
import { Metrics } from '../health/metrics.js';
import { Periodic } from '../health/periodic.decorator.js';
import { Fleet } from '../store/fleet.js';
import { RestoreGuard, alarmWords, type Claim } from '../trust/restore-guard.js';
import { KnownHosts } from './known-hosts.js';
import { ReportCache } from './report-cache.js';

/** Compares etcd with what was published and what hosts report, and tells people where etcd is older. */
@Injectable()
export class RestoreWatch {
  constructor(
    private readonly fleet: Fleet,
    private readonly guard: RestoreGuard,
    private readonly trust: Trust,
    private readonly reports: ReportCache,
    private readonly hosts: KnownHosts,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  @Periodic({ name: 'find-restored-etcd', everyMs: 1_000 })
  look(): void {
    const { revision } = this.fleet.state;
    const { epoch } = this.trust.root.document;
    // Mostly nobody is ahead, and then nobody need be asked: this is done every second.
    const claims = this.reports.mayBeAhead(epoch, revision) ? this.#claims() : [];
    const changed = this.guard.look({ epoch, revision, claims, nowMs: performance.now() });
    const { alarm } = this.guard;
    this.metrics.restoreAlarm.set(alarm ? 1 : 0);
    if (changed && alarm) this.log.error('etcd was restored', { remedy: alarmWords(alarm) });
    if (changed && !alarm) this.log.info('publishing goes on: etcd is not behind any more');
  }

  /** What hosts say is in force. */
  #claims(): readonly Claim[] {
    return this.hosts.ids().flatMap((nodeId) => {
      const report = this.reports.get(nodeId)?.report;
      return report?.applied ? [{ node: report.host.hostname, ...report.applied }] : [];
    });
  }
}
