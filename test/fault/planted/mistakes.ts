import type { Rule } from '../checks/violation.js';

/** Mistakes that control planes of `planted/control-plane.ts` make, and the rules by which a history shows each. */
export const MISTAKES = {
  'forgets deletions': ['committed', 'settled'],
  'follows no label that moves': ['committed', 'settled'],
  'journals no change': ['journal'],
  'answers before it has committed': ['durable'],
  'says what is wanted, not what is': ['said', 'settled'],
  'commits in another order than it answers': ['durable', 'ordered'],
  'takes the generation from the newest of its policies': ['committed', 'settled'],
  'delivers every policy to every host': ['committed'],
  'delivers what is paused': ['committed'],
  'serves hosts that were revoked': ['revoked'],
  'refuses what it has committed': ['durable'],
  'forgets the first alert of a batch': ['alerts'],
} as const satisfies Readonly<Record<string, readonly Rule[]>>;
export type Mistake = keyof typeof MISTAKES;
