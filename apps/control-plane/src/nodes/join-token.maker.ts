import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Log } from '#observability';
import { etcdKeys, type Write } from '#etcd';
import type { AttestationKind, JoinTokenView } from '#contracts';
import { actor, currentCaller } from '../auth/caller.js';
import { hashToken } from '../auth/token-hash.js';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { checkedGroups } from './join-token.bounds.js';
import { composeToken, joinTokenView, type JoinTokenRecord } from '../records/join-token.record.js';
import { JoinTokenStore } from './join-token.store.js';
import { checkedLabels } from './label-changes.js';
import { checkedCidrs } from './network.js';

/** A token that is over is listed so long, for whoever asks why a host was refused. */
const SHOWN_MS = 7 * 24 * 3_600_000;
/** Looked at with each that is made. */
const LOOKED_AT = 20;

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

/** Makes join tokens, recorded in the audit log; the token itself is in the answer alone. */
@Injectable()
export class JoinTokenMaker {
  /** The last one that was looked at; the next ones stand behind it. */
  #looked: string | undefined;

  constructor(
    private readonly editor: FleetEditor,
    private readonly fleet: Fleet,
    private readonly store: JoinTokenStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Throws 400 that names the field for what no token can be bound to. */
  async make(wish: JoinTokenWish): Promise<JoinTokenView> {
    const id = randomBytes(8).toString('hex');
    const token = composeToken(id);
    const record = this.#record(id, token, wish);
    const { uses, labels, cidrs, attest, groups, node } = record;
    const key = etcdKeys.joinToken(id);
    const outdated = await this.#outdated();
    await this.editor.edit(() => ({
      if: [{ key, modRevision: 0n }],
      then: [{ type: 'put', key, value: JSON.stringify(record) }, ...outdated],
      auditLog: {
        by: actor(),
        action: 'join-token.created',
        target: id,
        detail: { uses, labels, cidrs, attest, groups, node },
      },
    }));
    return joinTokenView(record, token);
  }

  /** Clears away some that have let nobody in for long: whoever makes a token for each host would fill etcd. */
  async #outdated(): Promise<readonly Write[]> {
    const before = new Date(this.clock.nowMs() - SHOWN_MS).toISOString();
    try {
      const { items, more } = await this.store.page(LOOKED_AT, this.#looked);
      this.#looked = more ? items.at(-1)?.id : undefined;
      const over = items.filter(({ expiresAt }) => expiresAt < before);
      return over.map(({ id }) => ({ type: 'delete', key: etcdKeys.joinToken(id) }));
    } catch (error) {
      this.#looked = undefined;
      this.log.warn('join tokens that are over could not be cleared away', { error });
      return [];
    }
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
