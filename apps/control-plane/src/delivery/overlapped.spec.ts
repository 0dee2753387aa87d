import { describe, expect, it } from '@jest/globals';
import { overlapped } from './overlapped.js';

/** Work whose parts end when the test says so. */
function work() {
  const begun: number[] = [];
  const ends = new Map<number, PromiseWithResolvers<readonly string[]>>();
  const begin = (part: number): Promise<readonly string[]> => {
    begun.push(part);
    const end = Promise.withResolvers<readonly string[]>();
    ends.set(part, end);
    return end.promise;
  };
  const end = async (part: number): Promise<void> => {
    ends.get(part)?.resolve([`of ${part}`]);
    await turn();
  };
  const fail = async (part: number): Promise<void> => {
    ends.get(part)?.reject(new Error(`part ${part} failed`));
    await turn();
  };
  return { begun, begin, end, fail };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('overlapped', () => {
  it('has two parts on their way, never three, and gives what all of them gave', async () => {
    const { begun, begin, end } = work();
    const all = overlapped([1, 2, 3], begin);
    expect(begun).toEqual([1, 2]);
    await end(2);
    expect(begun).toEqual([1, 2, 3]);
    await end(1);
    await end(3);
    expect((await all).toSorted()).toEqual(['of 1', 'of 2', 'of 3']);
  });

  it('begins nothing after a failure, and throws it when the other part has ended too', async () => {
    const { begun, begin, end, fail } = work();
    let thrown: unknown;
    const all = overlapped([1, 2, 3, 4], begin).catch((error: unknown) => (thrown = error));
    await fail(1);
    expect(thrown).toBeUndefined();
    await end(2);
    await all;
    expect(thrown).toEqual(new Error('part 1 failed'));
    expect(begun).toEqual([1, 2]);
  });

  it('throws where both fail', async () => {
    const { begin, fail } = work();
    const all = overlapped([1, 2], begin);
    const expected = expect(all).rejects.toThrow('part');
    await fail(2);
    await fail(1);
    await expected;
  });

  it('gives nothing for no parts', async () => {
    expect(await overlapped([], work().begin)).toEqual([]);
  });
});
