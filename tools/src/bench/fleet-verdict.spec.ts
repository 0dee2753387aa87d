import { describe, expect, it } from '@jest/globals';
import { judgeFleet } from './fleet-verdict.js';
import type { HistoryEntry } from './history-entry.js';

/** A run whose change has Redis do so many times what a bare publish is. */
function run(
  ratio: number | undefined,
  { nodes = 300, on = 'a CPU x 2, 24 GiB, load before 0.7', lastDelivery = 400, bytes = 4 } = {},
): HistoryEntry {
  const publish = { commands: 1, bytes: 500 };
  return {
    v: 1,
    at: '2026-11-30T08:00:00.000Z',
    commit: '0123456789ab',
    nodes,
    on,
    baseline: 10,
    ms: {
      last_delivery: lastDelivery,
      commit_to_ack_p50: 300,
      commit_to_ack_p99: 500,
      commit_to_ack_last: 600,
    },
    ...(ratio === undefined
      ? {}
      : { redis: { change: { commands: ratio, bytes: bytes * 500 }, publish } }),
    shareOfLastPercent: 0.167,
  };
}

/** The verdict after these attempts, and what was said; an attempt that is a text fails by it. */
async function judged(before: readonly HistoryEntry[], ...attempts: (HistoryEntry | string)[]) {
  const notes: string[] = [];
  const left = [...attempts];
  const measure = (): Promise<HistoryEntry> => {
    const next = left.shift() ?? 'measured too often';
    return typeof next === 'string' ? Promise.reject(new Error(next)) : Promise.resolve(next);
  };
  const note = (text: string): number => notes.push(text);
  const { signal } = new AbortController();
  const verdict = await judgeFleet(before, measure, { note, signal });
  return { verdict, notes, left: left.length };
}

describe('the verdict on a fleet', () => {
  const before = [8, 10, 12].map((ratio) => run(ratio));

  it('is good by the first run that costs at most a quarter more than the median of those before', async () => {
    expect(await judged(before, run(12.5), run(20))).toEqual({
      verdict: 'as before',
      notes: [],
      left: 1,
    });
    expect(await judged(before, run(13), run(20), run(9))).toEqual({
      verdict: 'as before',
      notes: [
        'attempt 1 of 3: redis_commands x13 of bare Redis, after x10',
        'attempt 2 of 3: redis_commands x20 of bare Redis, after x10',
      ],
      left: 0,
    });
  });

  it('is bad where each of three attempts costs more, or fails', async () => {
    const more = run(10, { bytes: 6 });
    expect(await judged(before, run(13), 'no host came', more, run(9))).toEqual({
      verdict: 'worse',
      notes: [
        'attempt 1 of 3: redis_commands x13 of bare Redis, after x10',
        'attempt 2 of 3: no host came',
        'attempt 3 of 3: redis_bytes x6 of bare Redis, after x4',
      ],
      left: 1,
    });
  });

  it('is none where no attempt came to an end', async () => {
    const { verdict } = await judged(before, 'no host came', 'no host came', 'no host came');
    expect(verdict).toBe('unmeasured');
  });

  it('goes by what is counted alone: times move by a factor of two with the machine', async () => {
    expect((await judged(before, run(10, { lastDelivery: 900 }))).verdict).toBe('as before');
  });

  it('compares with the last five runs, on whatever machine', async () => {
    const six = [8, 12, 12, 12, 12, 12].map((ratio) => run(ratio, { on: 'another CPU x 2' }));
    expect((await judged(six, run(15))).verdict).toBe('as before');
  });

  it.each([
    ['no run', []],
    ['another size alone', [run(10, { nodes: 1_000 })]],
    ['nothing counted', [run(undefined)]],
  ])('is that it is new after one attempt where there is %s to compare with', async (_, others) => {
    expect(await judged(others, run(500), run(500))).toMatchObject({ verdict: 'new', left: 1 });
  });

  it('is what was found until then where it is told to stop', async () => {
    const stop = new AbortController();
    const runs = [run(99), run(99)];
    const measure = (): Promise<HistoryEntry> => {
      const next = runs.shift();
      if (runs.length === 0) stop.abort();
      return next ? Promise.resolve(next) : Promise.reject(new Error('measured after its end'));
    };
    const parts = { note: () => undefined, signal: stop.signal };
    expect(await judgeFleet(before, measure, parts)).toBe('worse');
    expect(await judgeFleet(before, measure, parts)).toBe('unmeasured');
  });
});
