import { etcdKeys, type EtcdStore } from '#etcd';
import { decodePolicy, type PolicyRecord } from './policy.record.js';
import type { Stored } from '../fleet/shelf.js';

/** The versions of a policy that are kept, deletions among them. */
export abstract class PolicyHistory {
  /** Newest first; empty for a policy that never was. */
  abstract versions(name: string): Promise<readonly Stored<PolicyRecord>[]>;
}

/** History on etcd. */
export class EtcdPolicyHistory extends PolicyHistory {
  constructor(private readonly etcd: EtcdStore) {
    super();
  }

  override async versions(name: string): Promise<readonly Stored<PolicyRecord>[]> {
    const { items } = await this.etcd.list(etcdKeys.history(name));
    return items
      .map(({ value, modRevision }) => ({ record: decodePolicy(value), revision: modRevision }))
      .reverse();
  }
}
