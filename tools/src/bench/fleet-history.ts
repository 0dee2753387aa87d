import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { CommandFailed, messageOf } from '../../../apps/cli/src/output/errors.js';
import { regressions } from './fleet-regression.js';
import { COUNTED, type HistoryEntry, KEPT } from './history-entry.js';
import { drawHistory } from './history-plot.js';
import type { RedisWork } from './redis-work.js';

/**
 * Adds a run to the history in a file, and draws all of it into `FILE` with the ending svg.
 * @throws CommandFailed for a file that is no history, and, without adding it, for a run in which any ratio to the
 * baseline is a quarter greater than before
 */
export async function record(file: string, entry: HistoryEntry): Promise<void> {
  const before = await readHistory(file);
  const worse = regressions(before, entry, [...KEPT, 'cpu_per_host', ...COUNTED]);
  if (worse.length > 0)
    throw new CommandFailed(
      `slower than it was, so not added to ${file}: ${worse.join('; ')}`,
      `run it again on a machine with nothing else to do; whoever accepts that it is slower cuts the lines before from ${file}`,
    );
  try {
    await appendFile(file, `${JSON.stringify(entry)}\n`);
    await writeFile(file.replace(/\.[^./]*$|$/, '.svg'), drawHistory([...before, entry]));
  } catch (error) {
    throw new CommandFailed(`the history cannot be kept in ${file}: ${messageOf(error)}`);
  }
}

/** The runs in a file, none where there is no such file. @throws CommandFailed for one that is no history */
export async function readHistory(file: string): Promise<readonly HistoryEntry[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new CommandFailed(`the history ${file} cannot be read: ${error.message}`);
  });
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line, at) => {
    const entry = parsed(line);
    if (entry !== undefined) return entry;
    throw new CommandFailed(
      `line ${at + 1} of ${file} is no run of bench fleet`,
      'remove the line, or name another file with --record',
    );
  });
}

function parsed(line: string): HistoryEntry | undefined {
  try {
    const { v, nodes, on, baseline, ms, cpuMs, redis } = JSON.parse(line) as Partial<HistoryEntry>;
    const isOne =
      v === 1 &&
      typeof on === 'string' &&
      [
        nodes,
        baseline,
        ...KEPT.map((metric) => ms?.[metric]),
        ...timesOf(cpuMs),
        ...countsOf(redis),
      ].every((value) => typeof value === 'number' && value > 0);
    return isOne ? (JSON.parse(line) as HistoryEntry) : undefined;
  } catch {
    return undefined;
  }
}

function timesOf(cpuMs: HistoryEntry['cpuMs']): readonly unknown[] {
  return cpuMs === undefined ? [] : [cpuMs.change, cpuMs.publish];
}

function countsOf(redis: HistoryEntry['redis']): readonly unknown[] {
  if (redis === undefined) return [];
  return [redis.change, redis.publish].flatMap((work?: Partial<RedisWork>) => [
    work?.commands,
    work?.bytes,
  ]);
}
