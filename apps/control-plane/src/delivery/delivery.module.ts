import { Global, Module, type DynamicModule } from '@nestjs/common';
import { Log } from '#observability';
import { BundleIndex } from './bundle-index.js';
import { Clock } from '../http/clock.js';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';
import { Metrics } from '../health/metrics.js';
import { Replicas } from '../replicas/replicas.js';
import { NodeBundleController } from './node-bundle.controller.js';
import { ChannelKeys } from '../trust/channel-keys.js';
import { shardOf } from '../store/redis-shard.js';
import { AuthoredIndex } from '../trust/authored-index.js';
import { RestoreGuard } from '../trust/restore-guard.js';
import { DeliveredState } from './delivered-state.js';
import { Deliveries, type DeliveryLane } from './deliveries.js';
import { ReplicaShares } from './replica-shares.js';
import type { DeliveryChannel } from './delivery-channel.js';
import { DeliveryLoop } from './delivery-loop.js';

/** Where assignments go, by the name of the Redis. */
export type DeliveryChannels = ReadonlyMap<string, DeliveryChannel>;

/** Steps 3 to 5 of the path: what selects a host becomes a bundle and an assignment, and goes out. */
@Global()
@Module({})
export class DeliveryModule {
  static of(channels: DeliveryChannels): DynamicModule {
    return {
      module: DeliveryModule,
      controllers: [NodeBundleController],
      providers: [
        ChannelKeys,
        ReplicaShares,
        {
          provide: Deliveries,
          inject: [
            Fleet,
            ChannelKeys,
            Trust,
            AuthoredIndex,
            Replicas,
            RestoreGuard,
            Clock,
            Metrics,
            Log,
          ],
          useFactory: (...parts: Shared) => deliveries(channels, parts),
        },
      ],
      exports: [Deliveries, ReplicaShares],
    };
  }
}

type Shared = [
  fleet: Fleet,
  channelKeys: ChannelKeys,
  trust: Trust,
  authored: AuthoredIndex,
  replicas: Replicas,
  restoreGuard: RestoreGuard,
  clock: Clock,
  metrics: Metrics,
  log: Log,
];

function deliveries(channels: DeliveryChannels, parts: Shared): Deliveries {
  const [{ state }] = parts;
  const lanes = [...channels].map(([shard, channel]) => laneOf(shard, channel, parts));
  return new Deliveries(lanes, (nodeId) => shardOf(state, nodeId));
}

function laneOf(
  shard: string,
  channel: DeliveryChannel,
  [fleet, channelKeys, trust, authored, replicas, restoreGuard, clock, metrics, log]: Shared,
): DeliveryLane {
  const { state } = fleet;
  const delivered = new DeliveredState();
  const loop = new DeliveryLoop({
    state,
    channel,
    delivered,
    bundles: new BundleIndex(trust.epochSecret),
    trust,
    authored,
    serves: (nodeId) => shardOf(state, nodeId) === shard,
    replicas,
    restoreGuard,
    clock,
    metrics,
    log: log.child({ part: 'delivery', redis: shard }),
    makeChannelKeys: (nodes) => channelKeys.make(nodes),
  });
  return { shard, channel, delivered, loop };
}
