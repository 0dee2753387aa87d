import { etcdKeys, type EtcdStore } from '#etcd';
import type { Stored } from '../store/record-index.js';
import { decodeJoinToken, type JoinTokenRecord } from '../records/join-token.record.js';

/** One page of join tokens, by id. */
export interface JoinTokenPage {
  readonly items: readonly JoinTokenRecord[];
  readonly more: boolean;
  readonly revision: bigint;
}

/** Join tokens as they are now; always asked of etcd, since a quota must be exact. */
export abstract class JoinTokenStore {
  abstract get(id: string): Promise<Stored<JoinTokenRecord> | undefined>;
  abstract page(limit: number, after: string | undefined): Promise<JoinTokenPage>;
}

/** Join tokens on etcd. */
export class EtcdJoinTokenStore extends JoinTokenStore {
  constructor(private readonly etcd: EtcdStore) {
    super();
  }

  override async get(id: string): Promise<Stored<JoinTokenRecord> | undefined> {
    const found = await this.etcd.get(etcdKeys.joinToken(id));
    return found && { record: decodeJoinToken(found.value), revision: found.modRevision };
  }

  override async page(limit: number, after: string | undefined): Promise<JoinTokenPage> {
    const key = after === undefined ? undefined : etcdKeys.joinToken(after);
    const { items, next, revision } = await this.etcd.page(etcdKeys.joinTokens, {
      limit,
      after: key,
    });
    return {
      items: items.map(({ value }) => decodeJoinToken(value)),
      more: next !== undefined,
      revision,
    };
  }
}
