import { describe, expect, it } from '@jest/globals';
import { eventually } from '../testing/eventually.js';
import { HostQueue } from './host-queue.js';

describe('the queue of hosts', () => {
  it('works on a host once at a time and once more for whatever was asked meanwhile', async () => {
    let running = 0;
    let most = 0;
    let runs = 0;
    const queue = new HostQueue(
      async () => {
        running += 1;
        runs += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
        return 0;
      },
      () => undefined,
    );
    for (let asked = 0; asked < 100; asked += 1) queue.add('a');
    await eventually('both runs', () => runs === 2 && running === 0);
    expect(most).toBe(1);
  });

  it('works on as many hosts at once as it may', async () => {
    const gate = Promise.withResolvers<number>();
    const started: string[] = [];
    const queue = new HostQueue(
      (nodeId) => {
        started.push(nodeId);
        return gate.promise;
      },
      () => undefined,
      2,
    );
    for (const nodeId of ['a', 'b', 'c']) queue.add(nodeId);
    expect(started).toEqual(['a', 'b']);
    gate.resolve(0);
    await eventually('the third', () => started.length === 3);
    await queue.stop();
  });

  it('keeps what failed until it is asked to try again', async () => {
    let failures = 1;
    const done: string[] = [];
    const errors: string[] = [];
    const queue = new HostQueue(
      (nodeId) => {
        if (failures-- > 0) return Promise.reject(new Error('full'));
        done.push(nodeId);
        return Promise.resolve(0);
      },
      (nodeId) => errors.push(nodeId),
    );
    queue.add('a');
    await eventually('failed', () => errors.length === 1);
    expect(done).toEqual([]);
    queue.retry();
    await eventually('done', () => done.length === 1);
  });

  it('lets a host rest for as long as its work said, however often it is asked for, and others go on', async () => {
    const startedAt: number[] = [];
    const others: string[] = [];
    const queue = new HostQueue(
      (nodeId) => {
        if (nodeId === 'flood') startedAt.push(performance.now());
        else others.push(nodeId);
        return Promise.resolve(nodeId === 'flood' ? 100 : 0);
      },
      () => undefined,
      1,
    );
    for (let i = 0; startedAt.length < 3; i += 1) {
      queue.add('flood');
      queue.add(`other-${i}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await queue.stop();
    const [first = 0, second = 0, third = 0] = startedAt;
    expect(Math.min(second - first, third - second)).toBeGreaterThan(90);
    expect(others.length).toBeGreaterThan(2);
  });
});
