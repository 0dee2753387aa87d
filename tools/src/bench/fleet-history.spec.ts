import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { record } from './fleet-history.js';
import type { HistoryEntry } from './history-entry.js';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-history-'));
  file = join(folder, 'slo.jsonl');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function run(times: number, { nodes = 300, baseline = 10 } = {}): HistoryEntry {
  return {
    v: 1,
    at: '2026-11-27T08:00:00.000Z',
    commit: '0123456789ab',
    nodes,
    on: 'a machine',
    baseline,
    ms: {
      last_delivery: 400 * times,
      commit_to_ack_p50: 300 * times,
      commit_to_ack_p99: 500 * times,
      commit_to_ack_last: 600 * times,
    },
    shareOfLastPercent: 0.167,
  };
}

const lines = async (): Promise<number> =>
  (await readFile(file, 'utf8')).trimEnd().split('\n').length;

describe('the history of bench fleet', () => {
  it('takes the first run, and those that are no more than a quarter slower', async () => {
    for (const times of [1, 1.2, 1, 1.24]) await record(file, run(times));
    expect(await lines()).toBe(4);
  });

  it('refuses a slower run and says what it was compared with', async () => {
    for (const times of [1, 1.1, 1]) await record(file, run(times));
    await expect(record(file, run(1.3))).rejects.toThrow(
      /slower than it was, .*: last_delivery x52 of bare Redis, after x40; commit_to_ack_p50 x39 of/,
    );
    expect(await lines()).toBe(3);
  });

  it('compares with the baseline of the same run, and with runs of the same size', async () => {
    await record(file, run(1));
    await record(file, run(2, { baseline: 20 }));
    await record(file, run(4, { nodes: 1_000 }));
    expect(await lines()).toBe(3);
  });

  it('takes a run in which the bare publish alone took less', async () => {
    await record(file, run(1));
    await record(file, run(1.2, { baseline: 5 }));
    await expect(record(file, run(1.4, { baseline: 5 }))).rejects.toThrow('slower than it was');
    expect(await lines()).toBe(2);
  });

  it('compares CPU time too, and with runs on such a CPU alone', async () => {
    const of = (change: number, on = 'a CPU x 2, 24 GiB'): HistoryEntry => ({
      ...run(1),
      ...{ on, cpuMs: { change, publish: 0.04 } },
    });
    await record(file, of(2));
    await expect(record(file, of(2.6))).rejects.toThrow(
      /: cpu_per_host x65 of bare Redis, after x50$/,
    );
    await record(file, of(2.6, 'another CPU x 2, 24 GiB'));
    expect(await lines()).toBe(2);
  });

  it('compares what Redis has to do, with runs on every machine', async () => {
    const of = (commands: number, bytes: number, on: string): HistoryEntry => ({
      ...run(1),
      on,
      redis: { change: { commands, bytes }, publish: { commands: 1, bytes: 500 } },
    });
    await record(file, of(10, 5_000, 'a machine'));
    await expect(record(file, of(13, 7_000, 'another'))).rejects.toThrow(
      /: redis_commands x13 of bare Redis, after x10; redis_bytes x14 of bare Redis, after x10$/,
    );
    await record(file, of(12, 6_000, 'another'));
    expect(await lines()).toBe(2);
  });

  it('forgets what was six runs ago', async () => {
    for (const times of [1, 1.2, 1.2, 1.2, 1.2, 1.2, 1.4]) await record(file, run(times));
    expect(await lines()).toBe(7);
  });

  it('draws each size in a panel, with a mark for each run that says when and how long', async () => {
    for (const each of [run(1), run(1.1), run(2, { nodes: 1_000 })]) await record(file, each);
    const drawn = await readFile(join(folder, 'slo.svg'), 'utf8');
    expect(drawn.match(/ hosts: times as multiples/g)).toHaveLength(2);
    expect(drawn.match(/<title>/g)).toHaveLength(3 * 4);
    expect(drawn).toContain(
      '<title>2026-11-27 0123456789ab: commit_to_ack_p99 500 ms, bare Redis 10 ms</title>',
    );
    expect(drawn).not.toMatch(/NaN|Infinity|undefined/);
  });

  it.each([
    ['no JSON'],
    ['{"v":1,"nodes":300,"baseline":0,"ms":{}}'],
    ['{"v":2}'],
    [JSON.stringify({ ...run(1), cpuMs: { change: 2 } })],
    [JSON.stringify({ ...run(1), redis: { change: { commands: 2, bytes: 9 } } })],
    [JSON.stringify({ ...run(1), on: undefined })],
  ])('refuses a file with the line %s by its number, and leaves it as it is', async (line) => {
    await record(file, run(1));
    const text = `${await readFile(file, 'utf8')}${line}\n`;
    await writeFile(file, text);
    await expect(record(file, run(1))).rejects.toThrow(`line 2 of ${file} is no run`);
    expect(await readFile(file, 'utf8')).toBe(text);
  });
});
