import { redisKeys } from '#contracts';
import { BELL_SHARD } from './host-link.js';

/** Users that the control plane made for hosts begin with it. */
const PREFIX = 'node-';

/**
 * What a Redis serves: delivery, states and bells (`control`), events and their cursors (`events`), or both. Where they
 * are apart, a host that floods one has no permission to write the other with it.
 */
export type RedisPart = 'control' | 'events' | 'all';

/** The user of one host: it logs in with any secret whose SHA-256 (hex) is here; two of them while it changes it. */
export interface NodeUser {
  readonly nodeId: string;
  readonly secretHashes: readonly string[];
}

/** Name of a host's user on Redis. */
export function nodeUserName(nodeId: string): string {
  return `${PREFIX}${nodeId}`;
}

/** The node id in the name of a host's user; undefined for other users. */
export function nodeIdOfUser(name: string): string | undefined {
  return /^node-([0-9a-f]{64})$/.exec(name)?.[1];
}

/**
 * Arguments of `ACL SETUSER` after the name. A host reads its assignment, its cursor and bundles (ciphertext), hears
 * its nudges and the common check, replaces its own state and signed status, appends to its own stream, and rings: nothing else, and no
 * other command. Each permission is a selector of its own, so that none lends another its keys: it may not SET its stream,
 * nor hear a bell. Starts from nothing, so repeating it changes nothing and cuts no connection.
 */
export function nodeUserRules(
  { nodeId, secretHashes }: NodeUser,
  part: RedisPart = 'all',
): readonly string[] {
  const login = ['reset', 'on', ...secretHashes.map((hash) => `#${hash}`), '-@all', '+ping'];
  return [
    ...login,
    ...(part === 'events' ? [] : controlPermissions(nodeId)),
    ...(part === 'control' ? [] : eventPermissions(nodeId)),
  ];
}

function controlPermissions(nodeId: string): readonly string[] {
  const { assignment, bundle, state, signedStatus, nudge, check, bell } = redisKeys;
  return [
    `(%R~${assignment(nodeId)} %R~${bundle('*')} +get)`,
    `(&${nudge(nodeId)} &${check} +subscribe +unsubscribe)`,
    `(%W~${state(nodeId)} %W~${signedStatus(nodeId)} +set)`,
    `(%R~${signedStatus(nodeId)} +exists)`,
    `(&${bell(BELL_SHARD)} +publish)`,
  ];
}

function eventPermissions(nodeId: string): readonly string[] {
  const { cursor, events } = redisKeys;
  return [`(%R~${cursor(nodeId)} +get)`, `(%W~${events(nodeId)} +xadd)`];
}
