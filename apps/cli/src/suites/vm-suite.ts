import { glob } from 'node:fs/promises';
import { commitOf } from '../bench/machine.js';
import { runJest } from './jest-suite.js';
import { total, type Outcome } from './outcome.js';
import type { SuiteContext } from './suite.js';
import { inOrder, isLong, turnOf } from './vm-order.js';

/** Two at a time, each of which has one VM or more: with three, hosts are so slow that times run out. */
const AT_ONCE = 2;

/** How much longer than the others they may take. */
const LONG_MS = 16 * 60_000;

/**
 * Runs each file with VMs by a Jest of its own. Emulated machines are two to three times as slow on one computer as on
 * another: a file whose turn comes after `beginBefore`, or for a long one so much earlier, is not begun, and announced.
 */
export async function runVms({
  root,
  full,
  timeoutMs,
  beginBefore,
}: SuiteContext): Promise<Outcome> {
  const endsAt = Date.now() + timeoutMs;
  const found = await Array.fromAsync(glob('{apps,libs,test}/**/*.vm-spec.ts', { cwd: root }));
  const turns = inOrder(found.sort(), turnOf(await commitOf(root))).values();
  const outcomes: Outcome[] = [];
  const worker = async (): Promise<void> => {
    for (const file of turns) {
      const now = Date.now();
      outcomes.push(
        beginBefore !== undefined && now > beginBefore - (isLong(file) ? LONG_MS : 0)
          ? notBegun(file)
          : await runJest({
              ...{ root, full, name: file, workers: 1, timeoutMs: Math.max(0, endsAt - now) },
              files: `/${file.replaceAll('.', String.raw`\.`)}$`,
            }),
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return total(outcomes);
}

function notBegun(file: string): Outcome {
  const why = 'this machine is too slow to end it in time: ./hostward test vm runs it';
  return { passed: 0, failed: [], skipped: [`${file} (not begun: ${why})`] };
}
