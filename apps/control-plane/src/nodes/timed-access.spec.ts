import { describe, expect, it } from '@jest/globals';
import { FleetState } from '../store/fleet-state.js';
import { changes, nodeRecord, putNode, snapshot, testKeks } from '../testing/records.js';
import type { WatchMessage } from '#etcd';
import { rotated } from '../trust/redis-identity.js';
import { TimedAccess } from './timed-access.js';

const NODE = 'a'.repeat(64);
const MINUTE = 60_000;

const host = nodeRecord('web1', {}, NODE);
/** Until ten minutes after 0. */
function renewed() {
  if (!host.enrollment) throw new Error('a host that is enrolled');
  const redisSecret = rotated(host.enrollment.redisSecret, 'cd'.repeat(32), 0);
  return { ...host, enrollment: { ...host.enrollment, redisSecret } };
}

function following(nowMs = 0) {
  const state = new FleetState(testKeks);
  const timed = new TimedAccess();
  const take = (message: WatchMessage) => timed.take(state.apply(message), state, nowMs);
  return { timed, take };
}

describe('a host whose access changes by itself', () => {
  it('is looked at once when its previous secret ends, and not every second from then on', () => {
    const { timed, take } = following();
    take(snapshot(5n, putNode(renewed())));
    const looks = [0, 9, 10, 11, 12].map((minutes) => timed.due(minutes * MINUTE));
    expect(looks).toEqual([[], [], [NODE], [], []]);
  });

  it('is looked at when its cut-off ends, and when its previous secret does', () => {
    const { timed, take } = following();
    take(snapshot(5n, putNode(host)));
    const cutOff = {
      at: '1970-01-01T00:00:00.000Z',
      until: '1970-01-01T00:20:00.000Z',
      reason: 'x',
    };
    take(changes(6n, [putNode({ ...renewed(), cutOff })]));
    expect([10, 15, 20, 25].map((minutes) => timed.due(minutes * MINUTE).length)).toEqual([
      1, 0, 1, 0,
    ]);
  });

  it('is not looked at for what was over when it was read, nor when it is gone', () => {
    const { timed, take } = following(10 * MINUTE);
    take(snapshot(5n, putNode(renewed())));
    expect(timed.due(11 * MINUTE)).toEqual([]);
    const gone = following();
    gone.take(snapshot(5n, putNode(renewed())));
    gone.take(snapshot(6n));
    expect(gone.timed.due(11 * MINUTE)).toEqual([]);
  });
});
