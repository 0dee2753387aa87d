import { redisKeys } from '#contracts';
import type { Redis } from 'ioredis';

const SCAN_COUNT = 1_000;
const BUNDLE = new RegExp(`^${redisKeys.bundle('([0-9a-f]{64})')}$`);
const NODE = new RegExp(`^${redisKeys.assignment('([0-9a-f]{64})').replace(/asg$/, '[a-z]+')}$`);

/** Walks over all keys: digests of bundles, and ids of hosts of whom anything is there. */
export async function contentsOf(
  client: Redis,
): Promise<{ readonly bundles: ReadonlySet<string>; readonly nodeIds: ReadonlySet<string> }> {
  const bundles = new Set<string>();
  const nodeIds = new Set<string>();
  let cursor = '0';
  do {
    const [next, keys] = await client.scan(cursor, 'COUNT', SCAN_COUNT);
    for (const key of keys) {
      addMatch(bundles, BUNDLE.exec(key));
      addMatch(nodeIds, NODE.exec(key));
    }
    cursor = next;
  } while (cursor !== '0');
  return { bundles, nodeIds };
}

function addMatch(found: Set<string>, match: RegExpExecArray | null): void {
  if (match?.[1] !== undefined) found.add(match[1]);
}
