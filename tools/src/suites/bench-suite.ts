import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { measureChange } from '../bench/fleet-bench.js';
import { readHistory } from '../bench/fleet-history.js';
import { type FleetVerdict, judgeFleet } from '../bench/fleet-verdict.js';
import type { HistoryEntry } from '../bench/history-entry.js';
import { interruptible } from '../../../apps/cli/src/input/interruptible.js';
import type { Outcome } from './outcome.js';
import type { SuiteContext } from './suite.js';

const SIZE = { nodes: 300, rounds: 2 };
const NAME = `a change to ${SIZE.nodes} hosts gives Redis no more to do than before`;
const OUTCOMES: Readonly<Record<FleetVerdict, Outcome>> = {
  'as before': { passed: 1, failed: [], skipped: [] },
  worse: { passed: 0, failed: [NAME], skipped: [] },
  unmeasured: { passed: 0, failed: [`${NAME} (it could not be measured)`], skipped: [] },
  new: {
    passed: 0,
    failed: [`${NAME} (docs/reference/slo.jsonl has no run of that size to compare with)`],
    skipped: [],
  },
};

/** One test: a change to all hosts of a small fleet, by the runs in docs/reference/slo.jsonl. */
export async function runBench({ root, timeoutMs }: SuiteContext): Promise<Outcome> {
  const before = await readHistory(join(root, 'docs', 'reference', 'slo.jsonl'));
  const timeout = AbortSignal.timeout(timeoutMs);
  const note = (text: string): void => console.log(text);
  let verdict: FleetVerdict = 'unmeasured';
  await interruptible(async (interruption) => {
    const signal = AbortSignal.any([interruption, timeout]);
    const measure = async (): Promise<HistoryEntry> =>
      kept(root, await measureChange(SIZE, note, signal));
    verdict = await judgeFleet(before, measure, { note, signal });
    interruption.throwIfAborted();
  });
  if (timeout.aborted) note(`not done within ${timeoutMs / 1_000} s`);
  return OUTCOMES[verdict];
}

/** Printed, and added to what is not committed. */
async function kept(root: string, entry: HistoryEntry): Promise<HistoryEntry> {
  const line = JSON.stringify(entry);
  console.log(line);
  await mkdir(join(root, 'build'), { recursive: true });
  await appendFile(join(root, 'build', 'slo.jsonl'), `${line}\n`);
  return entry;
}
