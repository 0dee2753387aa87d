import { messageOf } from '../errors.js';
import { comparedWith, isBusy, regressions } from './fleet-regression.js';
import type { HistoryEntry } from './history-entry.js';
import { rounded } from './measurement.js';

/**
 * How a fleet does by the runs before: `new` where there is none to compare with, `busy` where the machine was,
 * `unmeasured` where no attempt came to an end.
 */
export type FleetVerdict = 'as before' | 'worse' | 'new' | 'busy' | 'unmeasured';

/** What makes one run dearer by chance does not do so three times. */
const ATTEMPTS = 3;
const JUDGED = 'cpu_per_host';

/**
 * Measures until a run costs no more CPU time than those before; `worse` where none of three did. Where the time is over it
 * is what was found until then.
 * On a machine that is slower for being busy the first hosts confirm a change, which costs more than the change, before
 * the last has reported it: no such run is held against the fleet. `note` takes what was wrong with each.
 */
export async function judgeFleet(
  before: readonly HistoryEntry[],
  measure: () => Promise<HistoryEntry>,
  { note, signal }: { readonly note: (text: string) => void; readonly signal: AbortSignal },
): Promise<FleetVerdict> {
  let verdict: FleetVerdict = 'unmeasured';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const entry = await measure().catch(messageOf);
    if (signal.aborted) break;
    const found = typeof entry === 'string' ? [entry] : wrongWith(before, entry);
    if (typeof found === 'string') return found;
    note(`attempt ${attempt} of ${ATTEMPTS}: ${found.join('; ')}`);
    if (typeof entry === 'string') continue;
    if (isBusy(comparedWith(before, entry, JUDGED), entry)) {
      note(`the machine is busy: a bare publish takes ${rounded(entry.baseline)} ms`);
      verdict = 'busy';
    } else if (verdict === 'unmeasured') verdict = 'worse';
  }
  return verdict;
}

function wrongWith(
  before: readonly HistoryEntry[],
  entry: HistoryEntry,
): readonly string[] | 'as before' | 'new' {
  if (comparedWith(before, entry, JUDGED).length === 0) return 'new';
  const wrong = regressions(before, entry, [JUDGED]);
  return wrong.length === 0 ? 'as before' : wrong;
}
