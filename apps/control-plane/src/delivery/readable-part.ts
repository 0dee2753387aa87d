import { etcdKeys } from '#etcd';
import { parseFleetKey } from '../store/fleet-key.js';

/** What of a host's assignment follows from what can be read, where not all of etcd can be. */
export interface ReadablePart {
  /** Whether it is known by which suspension enforcement is stopped on the host, if any. */
  readonly ofSuspensions: boolean;
  /** Whether it is known which of the documents that can be read are for the host. */
  readonly ofDocuments: boolean;
  /** Documents that cannot be read, as `policy/NAME`. */
  readonly unread: ReadonlySet<string>;
}

/** The part of this host's, of which these keys cannot be read. */
export function readablePart(unreadable: Iterable<string>, node: string): ReadablePart {
  const kinds = new Set<string>();
  const unread = new Set<string>();
  for (const key of unreadable) {
    const parsed = parseFleetKey(key);
    // Of other hosts nothing is for this one.
    if (parsed.kind === 'node' && key !== etcdKeys.node(node)) continue;
    kinds.add(parsed.kind);
    if ('name' in parsed) unread.add(`${parsed.kind}/${parsed.name}`);
  }
  const ofDocuments = !kinds.has('group') && !kinds.has('node');
  return { ofSuspensions: ofDocuments && !kinds.has('suspension'), ofDocuments, unread };
}
