import { describe, expect, it } from '@jest/globals';
import { waitOut } from './wait-out.js';

/** What was waited, one after the other, where `ms` said these times. */
async function waits(said: readonly number[], signal = new AbortController().signal) {
  const waited: number[] = [];
  const clock = {
    wait: (ms: number): Promise<void> => {
      waited.push(ms);
      return Promise.resolve();
    },
  };
  let asked = 0;
  await waitOut(clock, signal, () => said[Math.min(asked++, said.length - 1)] ?? 0);
  return waited;
}

describe('a wait whose length is not known at its start', () => {
  it('goes on for what it has become longer by, as often as it does', async () => {
    expect(await waits([600])).toEqual([600]);
    expect(await waits([600, 3_600])).toEqual([600, 3_000]);
    expect(await waits([10, 20, 50])).toEqual([10, 10, 30]);
  });

  it('is not made longer by what has become shorter, nor begun where there is nothing to wait for', async () => {
    expect(await waits([3_600, 600])).toEqual([3_600]);
    expect(await waits([0])).toEqual([]);
  });

  it('ends with what it is for', async () => {
    expect(await waits([10, 20], AbortSignal.abort())).toEqual([]);
  });
});
