import { setFlagsFromString } from 'node:v8';

/**
 * V8 begins to look for what is garbage in all of the heap as soon as one round of new objects might fill what it may grow
 * by, also where none of them ever lives so long. Of a control plane that holds the state of many hosts, and at rest makes
 * little but short-lived garbage, that was every eight seconds, and a third of all that it did.
 */
export const MARKING_FLAGS = [
  // Percent of what the heap may grow by; from the second on it is no longer put off.
  '--incremental-marking-soft-trigger=70',
  '--incremental-marking-hard-trigger=90',
] as const;

/** Has V8 wait until the heap has grown. */
export function markWhenGrown(): void {
  for (const flag of MARKING_FLAGS) setFlagsFromString(flag);
}
