import { glob } from 'node:fs/promises';
import { runJest } from './jest-suite.js';
import { total, type Outcome } from './outcome.js';
import type { SuiteContext } from './suite.js';
import { turnAt } from './turn.js';
import { inOrder } from './vm-order.js';
import { VmTurns } from './vm-turns.js';

/** Two at a time, each of which has one VM or more: with three, hosts are so slow that times run out. */
const AT_ONCE = 2;

/**
 * Runs each file with VMs by a Jest of its own. One that would not end before `endBefore` is not begun, and announced.
 */
export async function runVms({ root, full, timeoutMs, endBefore }: SuiteContext): Promise<Outcome> {
  const endsAt = Date.now() + timeoutMs;
  const found = await Array.fromAsync(glob('{apps,libs,test}/**/*.vm-spec.ts', { cwd: root }));
  const turns = new VmTurns(inOrder(found.sort(), await turnAt(root)), endBefore);
  const outcomes: Outcome[] = [];
  const worker = async (): Promise<void> => {
    for (;;) {
      const beganAt = Date.now();
      const file = turns.next(beganAt);
      if (file === undefined) return;
      const outcome = await runJest({
        ...{ root, full, name: file, workers: 1, timeoutMs: Math.max(0, endsAt - beganAt) },
        files: `/${file.replaceAll('.', String.raw`\.`)}$`,
      });
      turns.ended(file, Date.now() - beganAt);
      outcomes.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return total([...outcomes, ...turns.left.map(notBegun)]);
}

function notBegun(file: string): Outcome {
  const why = 'it would not have ended in time: ./hostward test vm runs it';
  return { passed: 0, failed: [], skipped: [`${file} (not begun: ${why})`] };
}
