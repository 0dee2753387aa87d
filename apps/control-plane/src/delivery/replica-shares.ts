import { Injectable } from '@nestjs/common';
import { Log } from '#observability';
import { Metrics } from '../health/metrics.js';
import { Periodic } from '../health/periodic.decorator.js';
import { Replicas } from '../replicas/replicas.js';
import { Fleet } from '../store/fleet.js';
import { Deliveries } from './deliveries.js';

/** Divides the hosts among the replicas that are there, and delivers to those that come to this one. */
@Injectable()
export class ReplicaShares {
  constructor(
    private readonly fleet: Fleet,
    private readonly replicas: Replicas,
    private readonly deliveries: Deliveries,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /** Also by itself: a lease that has ended changes nothing in etcd that a watch would tell. */
  @Periodic({ name: 'divide-hosts', everyMs: 1_000 })
  divide(): void {
    this.replicas.canRead(this.fleet.state.unreadable.size === 0);
    const before = this.replicas.refresh();
    if (!before) return;
    const { division } = this.replicas;
    this.metrics.replicas.set(division.replicas.length);
    this.log.info('the hosts are divided anew', { ...division });
    this.deliveries.takeOver((nodeId) => division.owns(nodeId) && !before.owns(nodeId));
  }
}
