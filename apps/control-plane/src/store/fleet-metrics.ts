import { Injectable } from '@nestjs/common';
import { Metrics } from '../health/metrics.js';
import { Periodic } from '../health/periodic.decorator.js';
import { Fleet } from './fleet.js';
import { FleetWatch } from './fleet-watch.js';

/** How large the fleet is, and how old what is known of it. */
@Injectable()
export class FleetMetrics {
  constructor(
    private readonly fleet: Fleet,
    private readonly watch: FleetWatch,
    private readonly metrics: Metrics,
  ) {}

  @Periodic({ name: 'measure-fleet', everyMs: 1_000 })
  measure(): void {
    const { nodes, policies, revision } = this.fleet.state;
    this.metrics.fleetNodes.set(nodes.size);
    this.metrics.fleetPolicies.set(policies.size);
    this.metrics.fleetRevision.set(Number(revision));
    const { lastProgressAt } = this.watch.health();
    const lagMs = lastProgressAt === 0 ? 0 : performance.now() - lastProgressAt;
    this.metrics.watchLagSeconds.set(lagMs / 1_000);
  }
}
