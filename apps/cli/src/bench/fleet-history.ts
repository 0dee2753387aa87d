import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { CommandFailed, messageOf } from '../errors.js';
import { type HistoryEntry, KEPT, ratioOf } from './history-entry.js';
import { drawHistory } from './history-plot.js';
import { rounded } from './measurement.js';
import { median } from './samples.js';

/** A ratio may be so much greater than it was. */
const REGRESSION = 1.25;
/** So many runs before say what it was. */
const COMPARED = 5;

/**
 * Adds a run to the history in a file, and draws all of it into `FILE` with the ending svg.
 * @throws CommandFailed for a file that is no history, and, without adding it, for a run whose ratio to its baseline is a
 * quarter greater than the median of the last five of the same size
 */
export async function record(file: string, entry: HistoryEntry): Promise<void> {
  const before = await readHistory(file);
  const worse = regressions(before, entry);
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

/** What is slower than it was, in words. */
function regressions(before: readonly HistoryEntry[], entry: HistoryEntry): readonly string[] {
  const compared = before.filter(({ nodes }) => nodes === entry.nodes).slice(-COMPARED);
  if (compared.length === 0) return [];
  return KEPT.flatMap((metric) => {
    const was = median(compared.map((each) => ratioOf(each, metric)));
    const is = ratioOf(entry, metric);
    return is > was * REGRESSION
      ? [`${metric} x${rounded(is)} of bare Redis, after x${rounded(was)}`]
      : [];
  });
}

async function readHistory(file: string): Promise<readonly HistoryEntry[]> {
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
    const { v, nodes, baseline, ms } = JSON.parse(line) as Partial<HistoryEntry>;
    const isOne =
      v === 1 &&
      [nodes, baseline, ...KEPT.map((metric) => ms?.[metric])].every(
        (value) => typeof value === 'number' && value > 0,
      );
    return isOne ? (JSON.parse(line) as HistoryEntry) : undefined;
  } catch {
    return undefined;
  }
}
