import { describe, expect, it } from '@jest/globals';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import { ProblemError } from './index.js';

describe('admission', () => {
  it('lets so many in at once, and sends others away for a time of chance', async () => {
    const chances = [0, 0.5, 0.999];
    const limiter = new ConcurrencyLimiter(2, () => chances.shift() ?? 0);
    const inside = [1, 2].map(() => Promise.withResolvers<number>());
    const admitted = inside.map(({ promise }) => limiter.run(() => promise));
    const told = [1, 2, 3].map(() =>
      limiter
        .run(() => Promise.reject(new Error('never begun')))
        .catch((error: unknown) =>
          error instanceof ProblemError ? [error.status, error.headers['retry-after']] : error,
        ),
    );
    expect(await Promise.all(told)).toEqual([
      [503, '1'],
      [503, '6'],
      [503, '10'],
    ]);
    inside[0]?.reject(new Error('failed inside'));
    await expect(admitted[0]).rejects.toThrow('failed inside');
    expect(await limiter.run(() => Promise.resolve('room again'))).toBe('room again');
    inside[1]?.resolve(2);
    expect(await admitted[1]).toBe(2);
  });
});
