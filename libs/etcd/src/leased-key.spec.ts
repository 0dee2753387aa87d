import { describe, expect, it } from '@jest/globals';
import { LeasedKey, type LeaseCalls } from './leased-key.js';

const TTL_MS = 9_000;

/** etcd as a test says: what a call takes, by the holder's clock, and what it answers. */
function holder() {
  const etcd = { now: 1_000, takesMs: 0, alive: true, away: false, failsToBind: false, granted: 0 };
  const bound: string[] = [];
  const revoked: string[] = [];
  const call = async <T>(answer: () => T): Promise<T> => {
    await Promise.resolve();
    etcd.now += etcd.takesMs;
    if (etcd.away) throw new Error('away');
    return answer();
  };
  const calls: LeaseCalls = {
    grant: () => call(() => String((etcd.granted += 1))),
    bind: (_key, value) =>
      call(() => {
        if (etcd.failsToBind) throw new Error('not bound');
        bound.push(value);
      }),
    keepAlive: () => call(() => etcd.alive),
    revoke: (lease) => call(() => void revoked.push(lease)),
  };
  const key = new LeasedKey(calls, '/lease/a', TTL_MS, () => etcd.now);
  return { etcd, key, bound, revoked };
}

describe('a key under a lease', () => {
  it('is held from its first turn on, under the lease that is its value', async () => {
    const { key, bound } = holder();
    expect(key.heldAs).toBeUndefined();
    await key.keep();
    expect(key.heldAs).toBe('1');
    expect(bound).toEqual(['1']);
  });

  it('is given up at two thirds of its time after the last turn that succeeded', async () => {
    const { etcd, key } = holder();
    await key.keep();
    etcd.now += 3_000;
    await key.keep();
    etcd.away = true;
    etcd.now += 3_000;
    await expect(key.keep()).rejects.toThrow('away');
    etcd.now += 2_999;
    expect(key.heldAs).toBe('1');
    etcd.now += 1;
    expect(key.heldAs).toBeUndefined();
  });

  it('counts from when a call was sent, not from when it was answered', async () => {
    const { etcd, key } = holder();
    await key.keep();
    etcd.now += 3_000;
    etcd.takesMs = 5_999;
    await key.keep();
    expect(key.heldAs).toBe('1');
    etcd.now += 1;
    expect(key.heldAs).toBeUndefined();
  });

  it('is not held by an answer that came too late', async () => {
    const { etcd, key } = holder();
    etcd.takesMs = TTL_MS;
    await key.keep();
    expect(key.heldAs).toBeUndefined();
  });

  it('is taken anew, under another lease, where etcd let it go', async () => {
    const { etcd, key, bound } = holder();
    await key.keep();
    etcd.now += TTL_MS;
    etcd.alive = false;
    expect(key.heldAs).toBeUndefined();
    await key.keep();
    expect(key.heldAs).toBe('2');
    expect(bound).toEqual(['1', '2']);
  });

  it('is held again by the same lease after an outage that etcd did not count', async () => {
    const { etcd, key, bound } = holder();
    await key.keep();
    etcd.now += TTL_MS;
    expect(key.heldAs).toBeUndefined();
    await key.keep();
    expect(key.heldAs).toBe('1');
    expect(bound).toEqual(['1']);
  });

  it('says behind the lease what it was told to: from its first turn, the next, and under another lease', async () => {
    const { etcd, key, bound } = holder();
    key.say('a');
    await key.keep();
    await key.keep();
    key.say('b');
    await key.keep();
    etcd.alive = false;
    await key.keep();
    expect(bound).toEqual(['1 a', '1 b', '2 b']);
  });

  it('says in its next turn what could not be said in this one', async () => {
    const { etcd, key, bound } = holder();
    await key.keep();
    etcd.failsToBind = true;
    key.say('a');
    await expect(key.keep()).rejects.toThrow('not bound');
    expect(key.heldAs).toBe('1');
    etcd.failsToBind = false;
    await key.keep();
    expect(bound).toEqual(['1', '1 a']);
  });

  it('is given up in order at the end', async () => {
    const { key, revoked } = holder();
    await key.keep();
    await key.stop();
    expect(key.heldAs).toBeUndefined();
    expect(revoked).toEqual(['1']);
  });
});
