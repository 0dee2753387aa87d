import type { Rule } from '../checks/violation.js';

/** Mistakes that the control plane of `planted/control-plane.ts` makes, and the rules by which a history shows each. */
export const MISTAKES = {
  'forgets deletions': ['committed', 'settled'],
  'follows no label that moves': ['committed', 'settled'],
  'journals no change': ['journal'],
  'answers before it has committed': ['durable'],
  'says what is wanted, not what is': ['said', 'settled'],
} as const satisfies Readonly<Record<string, readonly Rule[]>>;
export type Mistake = keyof typeof MISTAKES;
