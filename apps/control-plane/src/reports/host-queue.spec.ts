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
      },
      () => undefined,
    );
    for (let asked = 0; asked < 100; asked += 1) queue.add('a');
    await eventually('both runs', () => runs === 2 && running === 0);
    expect(most).toBe(1);
  });

  it('works on as many hosts at once as it may', async () => {
    const gate = Promise.withResolvers<void>();
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
    gate.resolve();
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
        return Promise.resolve();
      },
      (nodeId) => errors.push(nodeId),
    );
    queue.add('a');
    await eventually('failed', () => errors.length === 1);
    expect(done).toEqual([]);
    queue.retry();
    await eventually('done', () => done.length === 1);
  });
});
