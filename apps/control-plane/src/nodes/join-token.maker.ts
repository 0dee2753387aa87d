import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { etcdKeys } from '#etcd';
import type { AttestationKind, JoinTokenView } from '#contracts';
import { actor, currentCaller } from '../access/caller.js';
import { hashToken } from '../access/index.js';
import { Clock } from '../clock.js';
import { Fleet } from '../fleet/fleet.js';
import { FleetEditor } from '../fleet/fleet-editor.js';
import { checkedGroups } from './join-token.bounds.js';
import { composeToken, joinTokenView, type JoinTokenRecord } from './join-token.record.js';
import { checkedLabels } from './label-changes.js';
import { checkedCidrs } from './network.js';

/** What a join token is to be bound to; what a caller wrote is checked here. */
export interface JoinTokenWish {
  readonly labels: Readonly<Record<string, unknown>>;
  readonly uses: number;
  readonly ttlMs: number;
  readonly cidrs: readonly unknown[];
  readonly attest?: AttestationKind;
  readonly groups: readonly unknown[];
  /** The one name under which a host may join by it. */
  readonly node?: string;
}

/** Makes join tokens, journalled; the token itself is in the answer alone. */
@Injectable()
export class JoinTokenMaker {
  constructor(
    private readonly editor: FleetEditor,
    private readonly fleet: Fleet,
    private readonly clock: Clock,
  ) {}

  /** Throws 400 that names the field for what no token can be bound to. */
  async make(wish: JoinTokenWish): Promise<JoinTokenView> {
    const id = randomBytes(8).toString('hex');
    const token = composeToken(id);
    const record = this.#record(id, token, wish);
    const { uses, labels, cidrs, attest, groups, node } = record;
    const key = etcdKeys.joinToken(id);
    await this.editor.edit(() => ({
      if: [{ key, modRevision: 0n }],
      then: [{ type: 'put', key, value: JSON.stringify(record) }],
      journal: {
        by: actor(),
        action: 'join-token.created',
        target: id,
        detail: { uses, labels, cidrs, attest, groups, node },
      },
    }));
    return joinTokenView(record, token);
  }

  #record(id: string, token: string, wish: JoinTokenWish): JoinTokenRecord {
    const { uses, ttlMs, cidrs, attest } = wish;
    const labels = checkedLabels(wish.labels);
    const nowMs = this.clock.nowMs();
    return {
      v: 1,
      id,
      hash: hashToken(token),
      labels,
      uses,
      used: 0,
      expiresAt: new Date(nowMs + ttlMs).toISOString(),
      cidrs: checkedCidrs(cidrs),
      attest,
      groups: checkedGroups(wish.groups, labels, this.fleet.read()),
      node: wish.node,
      scope: currentCaller()?.scope?.text,
      by: actor(),
      at: new Date(nowMs).toISOString(),
    };
  }
}
