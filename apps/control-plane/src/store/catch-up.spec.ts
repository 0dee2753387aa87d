import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { KeyValue } from '#etcd';
import { CatchUp } from './catch-up.js';

type Answer = PromiseWithResolvers<KeyValue | undefined>;

/** etcd whose answers a test gives, and a fleet that reaches what it is told to. */
function parts(patienceMs = 60_000) {
  const reads: Answer[] = [];
  const asked: bigint[] = [];
  const etcd = {
    get: () => {
      const answer: Answer = Promise.withResolvers();
      reads.push(answer);
      return answer.promise;
    },
  };
  let reaches = true;
  const fleet = {
    reached: (revision: bigint) => {
      asked.push(revision);
      return Promise.resolve(reaches);
    },
  };
  const lag = (): void => {
    reaches = false;
  };
  return { catchUp: new CatchUp(etcd, fleet, patienceMs), reads, asked, lag };
}

const at = (modRevision: bigint): KeyValue => ({
  ...{ key: '', value: Buffer.alloc(0), createRevision: 1n, version: 1n },
  modRevision,
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The same after etcd failed to answer once. */
async function failed(patienceMs?: number) {
  const found = parts(patienceMs);
  const failing = found.catchUp.wait();
  await turn();
  found.reads[0]?.reject(new Error('away'));
  expect(await failing).toBe('unconfirmed');
  return found;
}

describe('catching up with etcd', () => {
  it('waits for the revision of the newest change', async () => {
    const { catchUp, reads, asked } = parts();
    const waiting = catchUp.wait();
    await turn();
    reads[0]?.resolve(at(7n));
    expect(await waiting).toBe('current');
    expect(asked).toEqual([7n]);
  });

  it('reads once for all who ask together, and anew for who asks after a read has begun', async () => {
    const { catchUp, reads, asked } = parts();
    const first = [catchUp.wait(), catchUp.wait()];
    await turn();
    const later = [catchUp.wait(), catchUp.wait(), catchUp.wait()];
    await turn();
    expect(reads).toHaveLength(1);
    reads[0]?.resolve(at(7n));
    await Promise.all(first);
    await turn();
    expect(reads).toHaveLength(2);
    reads[1]?.resolve(at(8n));
    expect(await Promise.all(later)).toEqual(['current', 'current', 'current']);
    expect(asked).toEqual([7n, 7n, 8n, 8n, 8n]);
  });

  it('says that the fleet is behind, where etcd has more than comes', async () => {
    const { catchUp, reads, lag } = parts();
    lag();
    const waiting = catchUp.wait();
    await turn();
    reads[0]?.resolve(at(7n));
    expect(await waiting).toBe('behind');
  });

  it('says that nobody knows, where etcd fails or is silent, and knows again when it answers', async () => {
    const { catchUp, reads } = await failed(20);
    expect(await catchUp.wait()).toBe('unconfirmed');
    reads[1]?.resolve(at(7n));
    const waiting = catchUp.wait();
    await turn();
    reads[2]?.resolve(at(8n));
    expect(await waiting).toBe('current');
  });

  it('is as patient as before with an etcd that answers late', async () => {
    const { catchUp, reads } = await failed();
    // This one does not wait until the answer comes.
    expect(await catchUp.wait()).toBe('unconfirmed');
    reads[1]?.resolve(at(7n));
    await turn();
    const waiting = catchUp.wait();
    expect(await Promise.race([waiting, delay(500, 'waits')])).toBe('waits');
    reads[2]?.resolve(at(8n));
    expect(await waiting).toBe('current');
  });

  it('takes an etcd that answered somebody meanwhile for slow, and not for one that is away', async () => {
    const { catchUp, reads } = await failed();
    const first = catchUp.wait();
    await turn();
    const second = catchUp.wait(); // of the read after
    reads[1]?.resolve(at(7n));
    expect([await first, await second]).toEqual(['current', 'unconfirmed']);
    const third = catchUp.wait();
    expect(await Promise.race([third, delay(500, 'waits')])).toBe('waits');
    for (const read of reads.slice(2)) read.resolve(at(8n));
    await turn();
    for (const read of reads.slice(3)) read.resolve(at(8n));
    expect(await third).toBe('current');
  });

  it('does not wait for a change in an etcd that has none', async () => {
    const { catchUp, reads, asked } = parts();
    const waiting = catchUp.wait();
    await turn();
    reads[0]?.resolve(undefined);
    expect(await waiting).toBe('current');
    expect(asked).toEqual([0n]);
  });
});
