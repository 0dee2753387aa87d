import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { FleetState } from './fleet-state.js';
import { nodeRecord, putNode, snapshot, testKeks } from '../testing/records.js';
import { chosenShard, MAIN_SHARD } from '../config/redis-shards.js';
import { shardOf } from './redis-shard.js';

const IDS = Array.from({ length: 3_000 }, (_, n) =>
  createHash('sha256').update(`host ${n}`).digest('hex'),
);

describe('the Redis that a host is given', () => {
  it('is one of those that are named, about as many hosts each', () => {
    const chosen = IDS.map((id) => chosenShard(id, [MAIN_SHARD, 'b', 'c']));
    for (const shard of [MAIN_SHARD, 'b', 'c'])
      expect(Math.abs(chosen.filter((each) => each === shard).length - 1_000)).toBeLessThan(150);
  });

  it('does not depend on the order in which they are named', () => {
    for (const id of IDS.slice(0, 100))
      expect(chosenShard(id, ['c', MAIN_SHARD, 'b'])).toBe(chosenShard(id, [MAIN_SHARD, 'b', 'c']));
  });

  it('stays when one is added, but for the share that goes to the new one', () => {
    const moved = IDS.filter((id) => {
      const [before, now] = [
        [MAIN_SHARD, 'b'],
        [MAIN_SHARD, 'b', 'c'],
      ].map((shards) => chosenShard(id, shards));
      if (before !== now) expect(now).toBe('c');
      return before !== now;
    });
    expect(Math.abs(moved.length - 1_000)).toBeLessThan(150);
  });
});

describe('the Redis that a host is on', () => {
  it('is what its record says, the main one where that says nothing, and none for whom nobody knows', () => {
    const state = new FleetState(testKeks);
    const [old = '', moved = '', stranger = ''] = IDS;
    const record = nodeRecord('moved', {}, moved);
    const { enrollment } = record;
    state.apply(
      snapshot(
        10n,
        putNode(nodeRecord('old', {}, old)),
        putNode({
          ...record,
          ...(enrollment && { enrollment: { ...enrollment, redisShard: 'b' } }),
        }),
      ),
    );
    expect([old, moved, stranger].map((id) => shardOf(state, id))).toEqual([
      MAIN_SHARD,
      'b',
      undefined,
    ]);
  });
});
