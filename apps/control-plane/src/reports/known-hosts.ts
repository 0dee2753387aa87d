import { Injectable } from '@nestjs/common';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';

/** A host that is known and believed, with the key shared with it. */
export interface KnownHost {
  readonly nodeId: string;
  readonly node: string;
  readonly channelKey: Buffer;
}

/** Finds the host behind a node id on Redis; ids that etcd does not know are nobody's. */
@Injectable()
export class KnownHosts {
  constructor(
    private readonly fleet: Fleet,
    private readonly trust: Trust,
  ) {}

  find(nodeId: string): KnownHost | undefined {
    const { state } = this.fleet;
    const node = state.nameOf(nodeId);
    const key = state.channelKey(nodeId, this.trust.root.document.epoch);
    return node !== undefined && key ? { nodeId, node, channelKey: key.channelKey } : undefined;
  }

  /** Node ids of all known hosts. */
  ids(): readonly string[] {
    const { state } = this.fleet;
    return state.nodes.sorted().flatMap(({ record }) => {
      const nodeId = state.believed(record)?.nodeId;
      return nodeId === undefined ? [] : [nodeId];
    });
  }
}
