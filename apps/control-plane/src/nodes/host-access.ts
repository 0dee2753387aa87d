import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { isCurrent } from '../health/readiness.js';
import { Periodic } from '../health/periodic.decorator.js';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { FleetWatch } from '../store/fleet-watch.js';
import { shardOf } from '../store/redis-shard.js';
import { identitiesOf, redisUserOf, redisUsersOf } from '../trust/redis-identity.js';
import { CutOffService } from './cut-off.service.js';
import { HostUsers } from './host-users.js';
import { TimedAccess } from './timed-access.js';

/** Keeps the users by which hosts log in to Redis as the fleet says, and cuts off hosts that harm others there. */
@Injectable()
export class HostAccess implements OnModuleInit, OnApplicationShutdown {
  readonly #timed = new TimedAccess();

  constructor(
    private readonly users: HostUsers,
    private readonly cutOffs: CutOffService,
    private readonly fleet: Fleet,
    private readonly watch: FleetWatch,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    const { state } = this.fleet;
    this.fleet.onChange((affected) => {
      this.users.mark(identitiesOf(affected, state));
      this.#timed.take(affected, state, this.clock.nowMs());
    });
    this.users.start(
      {
        known: () => state.revision > 0n,
        // Cut off from etcd, we do not know whom others have revoked or let in since.
        current: () => isCurrent(this.watch.health(), performance.now()),
        // Of a host whose record cannot be read here another replica may know.
        complete: () => state.unreadable.size === 0,
        all: () => redisUsersOf(state, this.clock.nowMs()),
        one: (nodeId) => redisUserOf(state, nodeId, this.clock.nowMs()),
        shardOf: (nodeId) => shardOf(state, nodeId),
      },
      (offence) => void this.cutOffs.cutOff(offence),
    );
  }

  @Periodic({ name: 'end-timed-access', everyMs: 1_000 })
  endTimed(): void {
    this.users.mark(this.#timed.due(this.clock.nowMs()));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.users.close();
  }
}
