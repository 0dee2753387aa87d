import type { NodeUser } from '#redis';
import type { Affected } from '../store/affected.js';
import type { FleetState } from '../store/fleet-state.js';
import type { NodeRecord, RedisSecret } from '../records/node.record.js';

/** How long a host's previous secret is taken beside the new one: it reconnects once within that time, if at all. */
const OVERLAP_MS = 10 * 60_000;

/** The user that a host is to have on Redis now; undefined for unknown, revoked and cut-off ones. Pure. */
export function redisUserOf(
  state: FleetState,
  nodeId: string,
  nowMs: number,
): NodeUser | undefined {
  const node = state.nameOf(nodeId);
  const record = node === undefined ? undefined : state.nodes.get(node)?.record;
  return record && userOf(record, nowMs);
}

/** The users of all hosts. Pure. */
export function redisUsersOf(state: FleetState, nowMs: number): readonly NodeUser[] {
  return state.nodes.sorted().flatMap(({ record }) => {
    const user = state.believed(record) && userOf(record, nowMs);
    return user ? [user] : [];
  });
}

/** Node ids that a change touches, those of hosts that are gone included. */
export function identitiesOf({ nodes, gone }: Affected, state: FleetState): readonly string[] {
  return [...gone, ...state.nodeIdsOf(nodes)];
}

/** Whether a host is kept from Redis now, after it harmed others there. */
export function isCutOff({ cutOff }: NodeRecord, nowMs: number): boolean {
  return cutOff !== undefined && nowMs < Date.parse(cutOff.until);
}

/** What a host that is kept from Redis is told; undefined for others. */
export function cutOffText(record: NodeRecord, nowMs: number): string | undefined {
  const { name, cutOff } = record;
  if (!cutOff || !isCutOff(record, nowMs)) return undefined;
  return (
    `host ${name} is kept from Redis until ${cutOff.until}: ${cutOff.reason}; it comes back by itself then, or earlier ` +
    `by an operator (hostward node reinstate ${name})`
  );
}

/** A new secret beside the one of before, which ends by itself. */
export function rotated({ hash }: RedisSecret, newHash: string, nowMs: number): RedisSecret {
  const until = new Date(nowMs + OVERLAP_MS).toISOString();
  return { hash: newHash, previous: { hash, until } };
}

/** When another rotation is taken: two secrets at most are in force, and no host fills etcd by rotating. */
export function rotationWaitMs({ previous }: RedisSecret, nowMs: number): number {
  return previous === undefined ? 0 : Math.max(0, Date.parse(previous.until) - nowMs);
}

function userOf(record: NodeRecord, nowMs: number): NodeUser | undefined {
  const { enrollment } = record;
  if (!enrollment || isCutOff(record, nowMs)) return undefined;
  const { hash, previous } = enrollment.redisSecret;
  const overlaps = previous !== undefined && nowMs < Date.parse(previous.until);
  return {
    nodeId: enrollment.nodeId,
    secretHashes: overlaps ? [hash, previous.hash] : [hash],
  };
}
