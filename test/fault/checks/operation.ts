import type { Action, Line } from '../history.js';

type End = Extract<Line, { type: 'ok' | 'fail' | 'unknown' }>;

/** What was asked, and what became of it; `at` and `endedAt` are indexes of lines. */
export interface Operation {
  readonly action: Action;
  readonly at: number;
  readonly end?: End;
  readonly endedAt: number;
}

/** In the order in which they were asked. One that has no end goes on to the end of the history. */
export function operationsOf(lines: readonly Line[]): readonly Operation[] {
  const operations = new Map<number, Operation>();
  lines.forEach((line, at) => {
    if (line.type === 'invoke')
      operations.set(line.op, { action: line.action, at, endedAt: Infinity });
    const ended = line.type === 'ok' || line.type === 'fail' || line.type === 'unknown';
    const operation = ended ? operations.get(line.op) : undefined;
    if (ended && operation) operations.set(line.op, { ...operation, end: line, endedAt: at });
  });
  return [...operations.values()];
}

export function nameOf(action: Action): string {
  if ('reason' in action) return action.reason;
  return 'policy' in action ? action.policy : action.node;
}
