import type { Line, Offer } from '../history.js';
import { compare } from './hosts.js';
import type { Violation } from './violation.js';

/**
 * What hosts could fetch, as each Redis of its own has it: two may say at once that they are masters, and a new one may
 * lack what the one before had.
 */
export function checkOffers(lines: readonly Line[]): Violation[] {
  const held = new Map<string, Offer>();
  const key = (redis: string, nodeId: string): string => `${redis} ${nodeId}`;
  return lines.flatMap((line, index) => {
    if (line.type === 'lost' && line.nodeId !== undefined)
      held.delete(key(line.redis, line.nodeId));
    else if (line.type === 'lost')
      for (const [each, { redis }] of held) if (redis === line.redis) held.delete(each);
    if (line.type !== 'offered') return [];
    const { redis, nodeId, order } = line;
    const before = held.get(key(redis, nodeId));
    held.set(key(redis, nodeId), line);
    if (before === undefined || compare(order, before.order) >= 0) return [];
    const what = `${redis} had ${before.order.join('.')} for ${nodeId}, then ${order.join('.')}`;
    return [{ rule: 'offered', at: index + 1, what }];
  });
}
