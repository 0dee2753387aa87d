import type { Outcome } from './outcome.js';

export interface Suite {
  readonly name: string;
  /** What it runs on, for the help. */
  readonly about: string;
  readonly budgetMinutes: number;
  /** It waits for most of its time: the suite that comes after it runs beside it. */
  readonly leavesCores?: boolean;
  readonly run: (context: SuiteContext) => Promise<Outcome>;
}

export interface SuiteContext {
  readonly root: string;
  readonly full: boolean;
  readonly timeoutMs: number;
  /** Of a run of all suites: by when it is to have ended, by Date.now. */
  readonly endBefore?: number;
  /** Of the suite `fault` alone: the seed in the place of the usual two, and for how long faults go on. */
  readonly seed?: number;
  readonly minutes?: number;
}
