import {
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import type { WatchMessage } from '#etcd';
import { Deliveries } from '../delivery/deliveries.js';
import { ReplicaShares } from '../delivery/replica-shares.js';
import { Replicas } from '../replicas/replicas.js';
import { CloneService } from '../reports/clone.service.js';
import { HostInbox } from '../reports/host-inbox.js';
import { ReportCache } from '../reports/report-cache.js';
import { RestoreWatch } from '../reports/restore-watch.js';
import type { Affected } from '../store/affected.js';
import { Fleet } from '../store/fleet.js';
import { FleetWatch } from '../store/fleet-watch.js';
import { HeldHeads } from '../store/held-heads.js';
import { AuthoredIndex } from '../trust/authored-index.js';
import { TrustKeeper } from '../trust/trust-keeper.js';

/** What each message of the watch on etcd brings about, in an order that matters. */
@Injectable()
export class FleetFollower implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  #known = false;
  #rootMoved = false;
  #readAnew = false;

  constructor(
    private readonly watch: FleetWatch,
    private readonly fleet: Fleet,
    private readonly replicas: Replicas,
    private readonly keeper: TrustKeeper,
    private readonly authored: AuthoredIndex,
    private readonly shares: ReplicaShares,
    private readonly deliveries: Deliveries,
    private readonly restoreWatch: RestoreWatch,
    private readonly inbox: HostInbox,
    private readonly reports: ReportCache,
    private readonly clones: CloneService,
    private readonly heads: HeldHeads,
  ) {}

  onModuleInit(): void {
    this.fleet.onMessage((message) => this.#hear(message));
    this.fleet.onChange((affected) => this.#changed(affected));
  }

  /** Only now: everybody else has begun to listen to the fleet in `onModuleInit`. */
  onApplicationBootstrap(): void {
    this.watch.start();
    this.replicas.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.replicas.stop();
    await this.watch.stop();
  }

  #hear(message: WatchMessage): void {
    this.#rootMoved = this.keeper.take(message);
    this.#readAnew = message.type === 'snapshot';
    this.replicas.take(message);
  }

  #changed(affected: Affected): void {
    const { state } = this.fleet;
    this.shares.divide();
    if (this.#readAnew) this.restoreWatch.look();
    // Before the fleet's own changes: all that follows is sealed under the root document in force.
    if (this.#rootMoved) this.deliveries.everything();
    if (this.authored.takeChanged()) affected.add(state.nodes.sorted().map(({ name }) => name));
    if (!this.#known) this.inbox.readAll();
    this.#known = true;
    for (const nodeId of affected.gone) this.#forget(nodeId);
    this.deliveries.mark(affected);
  }

  #forget(nodeId: string): void {
    this.reports.remove(nodeId);
    this.inbox.forget(nodeId);
    this.clones.forget(nodeId);
    this.heads.forget(nodeId);
    // Not where somebody only took the host out of etcd: authors have not taken back what they signed for it.
    if (this.fleet.state.revocationOf(nodeId)) this.authored.forget(nodeId);
  }
}
