import { Global, Module, type DynamicModule } from '@nestjs/common';
import { Log } from '#observability';
import { BundleShelf } from '../bundles/bundle-shelf.js';
import { Clock } from '../clock.js';
import { Trust } from '../config/trust.js';
import { Fleet } from '../fleet/fleet.js';
import { Metrics } from '../health/metrics.js';
import { Replicas } from '../replicas/replicas.js';
import { HostKeys } from '../nodes/host-keys.js';
import { AuthoredShelf } from '../trust/authored-shelf.js';
import { RestoreGuard } from '../trust/restore-guard.js';
import { Board } from './board.js';
import { DeliveryChannel } from './delivery-channel.js';
import { DeliveryLoop } from './delivery-loop.js';

/** Steps 3 to 5 of the path: what selects a host becomes a bundle and an assignment, and goes out. */
@Global()
@Module({})
export class DeliveryModule {
  static of(channel: DeliveryChannel): DynamicModule {
    return {
      module: DeliveryModule,
      providers: [
        Board,
        HostKeys,
        { provide: DeliveryChannel, useValue: channel },
        {
          provide: DeliveryLoop,
          inject: [
            Fleet,
            DeliveryChannel,
            Board,
            HostKeys,
            Trust,
            AuthoredShelf,
            Replicas,
            RestoreGuard,
            Clock,
            Metrics,
            Log,
          ],
          useFactory: loop,
        },
      ],
      exports: [Board, DeliveryChannel, DeliveryLoop],
    };
  }
}

function loop(
  fleet: Fleet,
  channel: DeliveryChannel,
  board: Board,
  hostKeys: HostKeys,
  trust: Trust,
  authored: AuthoredShelf,
  replicas: Replicas,
  restoreGuard: RestoreGuard,
  clock: Clock,
  metrics: Metrics,
  log: Log,
): DeliveryLoop {
  return new DeliveryLoop({
    state: fleet.state,
    channel,
    board,
    bundles: new BundleShelf(trust.epochSecret),
    trust,
    authored,
    replicas,
    restoreGuard,
    clock,
    metrics,
    log: log.child({ part: 'delivery' }),
    makeHostKeys: (nodes) => hostKeys.make(nodes),
  });
}
