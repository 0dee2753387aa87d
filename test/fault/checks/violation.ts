/** What must not be and was; `at` is the number of the line that shows it, from 1, or 0 for the whole history. */
export interface Violation {
  readonly rule: Rule;
  readonly at: number;
  readonly what: string;
}

/** What a history is judged by. */
export const RULES = {
  committed: 'no host ever enforces what was not committed',
  forward: 'no host goes back except by a fallback that it reports, to its last known good',
  kernel: 'the kernel has what the host says, the same for the same rule set',
  suspended:
    'a host enforces but for a break-glass, which holds while it is committed, as committed',
  revoked: 'a host whose identity was revoked is given nothing new',
  offered: 'what Redis has for a host goes back only where Redis has lost it',
  prompt: 'at rest a change is committed, and in force on each live host at once',
  said: '`enforced` is said of nothing that the host had not in force, or was let off',
  settled: 'at rest every live host has the newest commit, deletions too, and status says so',
  apart:
    'at rest each live host has a user and an assignment on its own Redis, and nobody has one elsewhere',
  durable: 'what was answered has happened, what was refused has not, and nobody else wrote',
  ordered: 'changes happen in the order in which they were answered',
  auditLog: 'each committed change is in the audit log, once, in one chain',
  alerts: 'each denial is in the store, once',
} as const;
export type Rule = keyof typeof RULES;
