import { describe, expect, it } from '@jest/globals';
import { judgeFleet } from './fleet-verdict.js';
import type { HistoryEntry } from './history-entry.js';

/** A run whose change takes so many times the CPU time of a bare publish. */
function run(
  ratio: number | undefined,
  {
    nodes = 300,
    on = 'a CPU x 2, 24 GiB, load before 0.7',
    lastDelivery = 400,
    baseline = 10,
  } = {},
): HistoryEntry {
  return {
    v: 1,
    at: '2026-11-30T08:00:00.000Z',
    commit: '0123456789ab',
    nodes,
    on,
    baseline,
    ms: {
      last_delivery: lastDelivery,
      commit_to_ack_p50: 300,
      commit_to_ack_p99: 500,
      commit_to_ack_last: 600,
    },
    ...(ratio === undefined ? {} : { cpuMs: { change: ratio * 0.04, publish: 0.04 } }),
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
  const before = [40, 50, 60].map((ratio) => run(ratio));

  it('is good by the first run that costs at most a quarter more than the median of those before', async () => {
    expect(await judged(before, run(62), run(90))).toEqual({
      verdict: 'as before',
      notes: [],
      left: 1,
    });
    expect(await judged(before, run(63), run(90), run(49))).toEqual({
      verdict: 'as before',
      notes: [
        'attempt 1 of 3: cpu_per_host x63 of bare Redis, after x50',
        'attempt 2 of 3: cpu_per_host x90 of bare Redis, after x50',
      ],
      left: 0,
    });
  });

  it('is bad where each of three attempts costs more, or fails', async () => {
    expect(await judged(before, run(63), 'no host came', run(70), run(40))).toEqual({
      verdict: 'worse',
      notes: [
        'attempt 1 of 3: cpu_per_host x63 of bare Redis, after x50',
        'attempt 2 of 3: no host came',
        'attempt 3 of 3: cpu_per_host x70 of bare Redis, after x50',
      ],
      left: 1,
    });
  });

  it('is none where no attempt came to an end', async () => {
    const { verdict } = await judged(before, 'no host came', 'no host came', 'no host came');
    expect(verdict).toBe('unmeasured');
  });

  it('goes by CPU time alone: how long it took moves by a factor of two with the machine', async () => {
    expect((await judged(before, run(50, { lastDelivery: 900 }))).verdict).toBe('as before');
  });

  it('compares with the last five runs', async () => {
    const six = [40, 60, 60, 60, 60, 60].map((ratio) => run(ratio));
    expect((await judged(six, run(74))).verdict).toBe('as before');
  });

  it('is not bad where the bare publish says that the machine was busy', async () => {
    const busy = run(70, { baseline: 21 });
    expect(await judged(before, run(63), busy, run(63))).toMatchObject({
      verdict: 'busy',
      notes: [
        expect.stringContaining('attempt 1 of 3'),
        expect.stringContaining('attempt 2 of 3'),
        'the machine is busy: a bare publish takes 21 ms',
        expect.stringContaining('attempt 3 of 3'),
      ],
    });
    expect((await judged(before, busy, run(50, { baseline: 21 }))).verdict).toBe('as before');
    const slow = run(70, { baseline: 20 });
    expect((await judged(before, slow, slow, slow)).verdict).toBe('worse');
  });

  it.each([
    ['no run', []],
    ['another size alone', [run(50, { nodes: 1_000 })]],
    ['another CPU alone', [run(50, { on: 'another CPU x 2, 24 GiB' })]],
    ['no CPU times', [run(undefined)]],
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
