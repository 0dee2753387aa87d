import { etcdKeys } from '#etcd';

/** What a key of etcd is to the fleet; `other` is kept for others to read. */
export type FleetKey =
  | {
      readonly kind:
        'policy' | 'group' | 'node' | 'suspension' | 'exception' | 'revocation' | 'redirect';
      readonly name: string;
    }
  | { readonly kind: 'channelKey' }
  | { readonly kind: 'other' };

const NAMED = [
  [etcdKeys.policies, 'policy'],
  [etcdKeys.groups, 'group'],
  [etcdKeys.nodes, 'node'],
  [etcdKeys.suspensions, 'suspension'],
  [etcdKeys.exceptions, 'exception'],
  [etcdKeys.revocations, 'revocation'],
  [etcdKeys.redirects, 'redirect'],
] as const;

/** Reads a key of the layout. */
export function parseFleetKey(key: string): FleetKey {
  for (const [prefix, kind] of NAMED) {
    if (key.startsWith(prefix)) return { kind, name: key.slice(prefix.length) };
  }
  return key.startsWith(etcdKeys.keys) ? { kind: 'channelKey' } : { kind: 'other' };
}
