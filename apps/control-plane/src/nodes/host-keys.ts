import { Injectable } from '@nestjs/common';
import { generateHostKey, sealHostKey } from '#bundle';
import { etcdKeys, type Write } from '#etcd';
import { SYSTEM } from '../access/caller.js';
import { FleetEditor } from '../fleet/fleet-editor.js';
import type { FleetState } from '../fleet/fleet-state.js';
import { Trust } from '../config/trust.js';
import { hostKeyPurpose, type HostKeyRecord } from './host-key.record.js';
import type { Enrollment, NodeRecord } from './node.record.js';

/** Makes the key of a host for an epoch, sealed to it. */
export async function makeHostKey(
  { nodeId, sealingKey }: Pick<Enrollment, 'nodeId' | 'sealingKey'>,
  epoch: string,
): Promise<Write> {
  const hostKey = generateHostKey();
  const record: HostKeyRecord = {
    v: 1,
    nodeId,
    epoch,
    hostKey: hostKey.toString('base64'),
    sealedHostKey: await sealHostKey(hostKey, { sealingKey, nodeId, epoch }),
  };
  return {
    type: 'put',
    key: etcdKeys.key(nodeId, hostKeyPurpose(epoch)),
    value: JSON.stringify(record),
  };
}

/** Keys of etcd that hold the host keys of a node. */
export function hostKeyKeys(state: FleetState, record: NodeRecord): readonly string[] {
  const nodeId = record.enrollment?.nodeId;
  if (nodeId === undefined) return [];
  return state.epochsOf(nodeId).map((epoch) => etcdKeys.key(nodeId, hostKeyPurpose(epoch)));
}

/** Gives hosts that were enrolled in an earlier epoch a key of this one. */
@Injectable()
export class HostKeys {
  constructor(
    private readonly editor: FleetEditor,
    private readonly trust: Trust,
  ) {}

  /** Makes the missing keys of these nodes in one write; they come back by the watch. */
  async make(nodes: readonly string[]): Promise<void> {
    const { epoch } = this.trust.root.document;
    await this.editor.edit(async (state) => {
      const missing = nodes.flatMap((name) => {
        const enrollment = state.nodes.get(name)?.record.enrollment;
        return enrollment && !state.hostKey(enrollment.nodeId, epoch) ? [enrollment] : [];
      });
      if (missing.length === 0) return undefined;
      const then = await Promise.all(missing.map((enrollment) => makeHostKey(enrollment, epoch)));
      return {
        if: then.map(({ key }) => ({ key, modRevision: 0n })),
        then,
        journal: {
          by: SYSTEM,
          action: 'keys.made',
          target: `${then.length} hosts`,
          detail: { epoch },
        },
      };
    });
  }
}
