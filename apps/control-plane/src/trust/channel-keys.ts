import { Injectable } from '@nestjs/common';
import { generateChannelKey, sealChannelKey } from '#bundle';
import { etcdKeys, type Write } from '#etcd';
import { Log } from '#observability';
import { SYSTEM } from '../auth/caller.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import { Trust } from '../config/trust.js';
import type { LedgerChange } from '../store/ledger.js';
import {
  encodeChannelKey,
  channelKeyPurpose,
  type ChannelKeyRecord,
} from '../records/channel-key.record.js';
import type { KeyEncryptionKeys } from '../records/key-encryption-keys.js';
import type { Enrollment, NodeRecord } from '../records/node.record.js';

/** Channel keys in one write: etcd takes 1.5 MB of keys and conditions. */
const AT_ONCE = 1_000;

/** Makes the key of a host for the epoch in force: sealed to it, and wrapped for etcd. */
export async function makeChannelKey(
  { nodeId, sealingKey }: Pick<Enrollment, 'nodeId' | 'sealingKey'>,
  { root, keks }: Pick<Trust, 'root' | 'keks'>,
): Promise<Write> {
  const { epoch } = root.document;
  const channelKey = generateChannelKey();
  const sealed = await sealChannelKey(channelKey, { sealingKey, nodeId, epoch });
  return {
    type: 'put',
    key: etcdKeys.key(nodeId, channelKeyPurpose(epoch)),
    value: encodeChannelKey(channelKey, { nodeId, epoch }, sealed, keks),
  };
}

/** Keys of etcd that end with the identity of a node: its channel keys, and the labels that were signed for it. */
export function identityKeys(state: FleetState, record: NodeRecord): readonly string[] {
  const nodeId = record.enrollment?.nodeId;
  if (nodeId === undefined) return [];
  const keys = state
    .epochsOf(nodeId)
    .map((epoch) => etcdKeys.key(nodeId, channelKeyPurpose(epoch)));
  return [...keys, etcdKeys.signedDocument('labels', nodeId)];
}

/** Gives hosts that were enrolled in an earlier epoch a key of this one, and keeps all under the key that wraps now. */
@Injectable()
export class ChannelKeys {
  #looked = false;

  constructor(
    private readonly editor: FleetEditor,
    private readonly trust: Trust,
    private readonly log: Log,
    fleet: Fleet,
  ) {
    fleet.onChange(() => this.#lookOnce());
  }

  /** Makes the missing keys of these nodes, so many in a write; they come back by the watch. */
  async make(nodes: readonly string[]): Promise<void> {
    for (let start = 0; start < nodes.length; start += AT_ONCE)
      await this.#makeAtOnce(nodes.slice(start, start + AT_ONCE));
  }

  async #makeAtOnce(nodes: readonly string[]): Promise<void> {
    const { epoch } = this.trust.root.document;
    await this.editor.edit(async (state) => {
      const missing = nodes.flatMap((name) => {
        const enrollment = state.nodes.get(name)?.record.enrollment;
        return enrollment && isMissing(state, enrollment, epoch) ? [enrollment] : [];
      });
      if (missing.length === 0) return undefined;
      const then = await Promise.all(
        missing.map((enrollment) => makeChannelKey(enrollment, this.trust)),
      );
      return {
        if: then.map(({ key }) => ({ key, modRevision: 0n })),
        then,
        auditLog: {
          by: SYSTEM,
          action: 'keys.made',
          target: `${then.length} hosts`,
          detail: { epoch },
        },
      };
    });
  }

  /** What lies under an older key is there from before our start: once, when etcd was read, is enough. */
  #lookOnce(): void {
    if (this.#looked) return;
    this.#looked = true;
    // What an older key opens stays good, so a failure costs nothing but the next start.
    this.#rewrap().catch((error: unknown) =>
      this.log.error('channel keys were not wrapped', { error }),
    );
  }

  async #rewrap(): Promise<void> {
    const { keks } = this.trust;
    for (let wrapped = true; wrapped;) {
      const done = await this.editor.edit((state) => {
        const old = state.channelKeysNotUnder(keks.id).slice(0, AT_ONCE);
        return Promise.resolve(old.length === 0 ? undefined : rewrapping(old, keks));
      });
      wrapped = done !== undefined;
    }
  }
}

/** One that lies in etcd and does not open here is none: others have it, and none of the rest would be written beside it. */
function isMissing(state: FleetState, { nodeId }: Enrollment, epoch: string): boolean {
  const key = etcdKeys.key(nodeId, channelKeyPurpose(epoch));
  return state.channelKey(nodeId, epoch) === undefined && !state.unreadable.has(key);
}

function rewrapping(
  old: readonly (ChannelKeyRecord & { readonly revision: bigint })[],
  keks: KeyEncryptionKeys,
): LedgerChange {
  const keyOf = ({ nodeId, epoch }: ChannelKeyRecord) =>
    etcdKeys.key(nodeId, channelKeyPurpose(epoch));
  return {
    if: old.map((record) => ({ key: keyOf(record), modRevision: record.revision })),
    then: old.map((record) => ({
      type: 'put',
      key: keyOf(record),
      value: wrapAgain(record, keks),
    })),
    auditLog: {
      by: SYSTEM,
      action: 'keys.rewrapped',
      target: `${old.length} channel keys`,
      detail: { kek: keks.id },
    },
  };
}

function wrapAgain(record: ChannelKeyRecord, keks: KeyEncryptionKeys): string {
  return encodeChannelKey(record.channelKey, record, record.sealedChannelKey, keks);
}
