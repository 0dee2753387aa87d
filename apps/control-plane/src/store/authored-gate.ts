import { etcdKeys, type Write } from '#etcd';
import type { FleetState } from './fleet-state.js';
import { signatureNeeded } from '../http/index.js';
import type { LedgerChange } from './ledger.js';
import { decodeNode } from '../records/node.record.js';
import { decodePolicy } from '../records/policy.record.js';
import { goesWithHost } from './suspensions-of-host.js';

const SIGNED_ONLY = {
  policy: etcdKeys.policies,
  group: etcdKeys.groups,
  suspension: etcdKeys.suspensions,
};
const NOUNS = { ...SIGNED_ONLY, node: etcdKeys.nodes };

/**
 * In authored mode hosts take nothing that the control plane alone has decided, so it is refused here, whatever route
 * made it: else an operator would wait for what no host will ever enforce.
 */
export function checkAuthored(state: FleetState, { then }: LedgerChange): void {
  if (then.some(({ type, key }) => type === 'put' && key.startsWith(etcdKeys.signed))) return;
  // An exception of managed times: hosts ended it themselves.
  if (then.some(({ type, key }) => type === 'delete' && key.startsWith(etcdKeys.exceptions)))
    return;
  for (const write of then) {
    const ends = write.type === 'delete' && write.key.startsWith(etcdKeys.suspensions);
    const goesAlong = goesWithHost(state, then, write);
    if (isUnreadDeleted(state, write)) continue;
    if (
      !ends &&
      !goesAlong &&
      Object.values(SIGNED_ONLY).some((prefix) => write.key.startsWith(prefix))
    )
      refuse(write.key);
    if (write.type !== 'put' || !write.key.startsWith(etcdKeys.nodes)) continue;
    const before = state.nodes.get(write.key.slice(etcdKeys.nodes.length))?.record;
    const after = decodeNode(Buffer.from(write.value));
    if (before && JSON.stringify(before.labels) !== JSON.stringify(after.labels)) refuse(write.key);
  }
}

/** What cannot be read no host has from there: only people and the index read it. */
function isUnreadDeleted({ unreadable }: FleetState, write: Write): boolean {
  if (!unreadable.has(write.key)) return false;
  if (write.type === 'delete') return true;
  return (
    write.key.startsWith(etcdKeys.policies) &&
    decodePolicy(Buffer.from(write.value)).document === undefined
  );
}

function refuse(key: string): never {
  const [noun = '', prefix = ''] =
    Object.entries(NOUNS).find(([, each]) => key.startsWith(each)) ?? [];
  const remedy =
    prefix === etcdKeys.suspensions
      ? 'an author suspends it (hostward sign --suspend audit --for 30m --reason R --all), or root on the host (hostward-sensor suspend)'
      : 'sign the documents with an author key (hostward sign -f FILE -o signed.json), then hostward apply -f signed.json';
  throw signatureNeeded(noun, key.slice(prefix.length), remedy);
}
