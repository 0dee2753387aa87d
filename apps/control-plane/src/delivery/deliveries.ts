import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { AssignmentVersion } from '#contracts';
import { Periodic } from '../health/periodic.decorator.js';
import type { Affected } from '../store/affected.js';
import type { WrittenAssignment } from './assignment-plan.js';
import type { DeliveredState } from './delivered-state.js';
import type { DeliveryChannel } from './delivery-channel.js';
import type { DeliveryLoop } from './delivery-loop.js';

/** The delivery over one Redis, to the hosts that are on it. */
export interface DeliveryLane {
  readonly shard: string;
  readonly channel: DeliveryChannel;
  readonly delivered: DeliveredState;
  readonly loop: DeliveryLoop;
}

/** The deliveries over each Redis. They share nothing, so that one that is away holds up nobody on another. */
export class Deliveries implements OnModuleInit, OnApplicationShutdown {
  constructor(
    readonly lanes: readonly DeliveryLane[],
    private readonly shardOf: (nodeId: string) => string | undefined,
  ) {}

  /** Begins to fill each Redis at the first contact and whenever it has lost what it held. */
  onModuleInit(): void {
    for (const { channel, loop } of this.lanes)
      channel.onLoss(() => {
        loop.everything();
        return Promise.resolve();
      });
  }

  /** Takes what a change affects. */
  mark(affected: Affected): void {
    for (const { loop } of this.lanes) loop.mark(affected);
  }

  /** Delivers everything anew. */
  everything(): void {
    for (const { loop } of this.lanes) loop.everything();
  }

  /** Hosts that were another replica's are ours. */
  takeOver(isTaken: (nodeId: string) => boolean): void {
    for (const { loop } of this.lanes) loop.takeOver(isTaken);
  }

  /** A host has said what it accepted last. */
  told(nodeId: string, seen: AssignmentVersion): void {
    this.#laneOf(nodeId)?.loop.told(nodeId, seen);
  }

  /**
   * Puts hosts on the list whose assignment is half over, and compares soon what was written with what each Redis holds:
   * a key that vanished there alone is missing for an interval at most.
   */
  @Periodic({ name: 'renew-assignments', everyMs: 30_000 })
  renew(): void {
    for (const { loop } of this.lanes) {
      loop.renew();
      loop.lookAfter();
    }
  }

  /** Hosts that still wait for a write. */
  get waiting(): number {
    return this.lanes.reduce((sum, { loop }) => sum + loop.waiting, 0);
  }

  /** Whether assignments are on their way over this Redis now. */
  isWriting(shard: string): boolean {
    return this.lanes.some((lane) => lane.shard === shard && lane.loop.isWriting);
  }

  /** What a host was last known to have, also where its Redis has lost that. */
  written(nodeId: string): WrittenAssignment | undefined {
    return this.#laneOf(nodeId)?.delivered.known(nodeId);
  }

  /** Why a host, by id and name, gets nothing new: what it is to have cannot be bundled. Undefined where it can. */
  unbundled(nodeId: string, node: string): string | undefined {
    return this.#laneOf(nodeId)?.loop.unbundled(node);
  }

  /** Where what is for a host goes; undefined where no Redis of this configuration is the host's. */
  channelOf(nodeId: string): DeliveryChannel | undefined {
    return this.#laneOf(nodeId)?.channel;
  }

  /** Whether each Redis can be reached now, by its name. */
  health(): ReadonlyMap<string, { readonly ok: boolean; readonly detail: string }> {
    return new Map(this.lanes.map(({ shard, channel }) => [shard, channel.health()]));
  }

  /** Ends after the rounds that run. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.lanes.map(({ loop }) => loop.stop()));
    for (const { channel } of this.lanes) channel.close();
  }

  #laneOf(nodeId: string): DeliveryLane | undefined {
    const shard = this.shardOf(nodeId);
    return this.lanes.find((lane) => lane.shard === shard);
  }
}
