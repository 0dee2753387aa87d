import { messageOf } from '../../../apps/cli/src/output/errors.js';
import { isComparable, regressions } from './fleet-regression.js';
import { COUNTED, type HistoryEntry } from './history-entry.js';

/** How a fleet does by the runs before: `new` where there is none to compare with, `unmeasured` where no attempt came to an end. */
export type FleetVerdict = 'as before' | 'worse' | 'new' | 'unmeasured';

/** What makes one run dearer by chance does not do so three times. */
const ATTEMPTS = 3;

/**
 * Measures until a run has Redis do no more than those before; `worse` where none of three did. Where the time is over it is
 * what was found until then. `note` takes what was wrong with each.
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
    if (typeof entry !== 'string') verdict = 'worse';
  }
  return verdict;
}

function wrongWith(
  before: readonly HistoryEntry[],
  entry: HistoryEntry,
): readonly string[] | 'as before' | 'new' {
  if (!COUNTED.some((by) => isComparable(before, entry, by))) return 'new';
  const wrong = regressions(before, entry, COUNTED);
  return wrong.length === 0 ? 'as before' : wrong;
}
