import { isDeepStrictEqual } from 'node:util';
import { etcdKeys, type EtcdStore } from '#etcd';
import type { Scope } from '../auth/scope.js';
import { decodePolicy, type PolicyRecord } from '../records/policy.record.js';
import type { Stored } from '../store/record-index.js';
import { ShapeError } from '../http/shape.js';

/** The versions of a policy that are kept, deletions among them. */
export abstract class PolicyHistory {
  /** Those that can be read, newest first; empty for a policy that never was. */
  abstract versions(name: string): Promise<readonly Stored<PolicyRecord>[]>;

  /** The number of the newest version that is kept, also where none can be read; 0 for a policy that never was. */
  abstract newest(name: string): Promise<number>;
}

/** History on etcd. */
export class EtcdPolicyHistory extends PolicyHistory {
  constructor(private readonly etcd: EtcdStore) {
    super();
  }

  override async versions(name: string): Promise<readonly Stored<PolicyRecord>[]> {
    const { items } = await this.etcd.list(etcdKeys.history(name));
    return items
      .flatMap(({ value, modRevision }) => {
        const record = unlessUnreadable(value);
        return record ? [{ record, revision: modRevision }] : [];
      })
      .reverse();
  }

  override async newest(name: string): Promise<number> {
    const { items } = await this.etcd.list(etcdKeys.history(name));
    const numbers = items.map(({ key }) => Number(key.slice(etcdKeys.history(name).length)));
    return Math.max(0, ...numbers.filter(Number.isSafeInteger));
  }
}

/** One that cannot be read is left out: the others must be there to return to. */
function unlessUnreadable(value: Uint8Array): PolicyRecord | undefined {
  try {
    return decodePolicy(value);
  } catch (error) {
    if (error instanceof ShapeError) return undefined;
    throw error;
  }
}

/**
 * Of versions, newest first, those that a caller with a scope may read: as far back as each was in the scope, or selected what the
 * present one does. What was there under that name before was another's. A deletion goes with what it deleted.
 */
export function versionsWithin(
  scope: Scope | undefined,
  versions: readonly Stored<PolicyRecord>[],
): readonly Stored<PolicyRecord>[] {
  if (scope === undefined) return versions;
  const present = versions[0]?.record.document?.spec.nodeSelector;
  const shown: Stored<PolicyRecord>[] = [];
  let deletions: Stored<PolicyRecord>[] = [];
  for (const version of versions) {
    const selector = version.record.document?.spec.nodeSelector;
    if (selector === undefined) {
      deletions.push(version);
      continue;
    }
    if (!scope.contains(selector) && !isDeepStrictEqual(selector, present)) break;
    shown.push(...deletions, version);
    deletions = [];
  }
  return shown;
}
