import type { Log } from '#observability';
import { Clock } from './clock.js';
import { Conditions } from './conditions.js';

/** What every part of the agent lives in: time, its log, and the list of what is wrong now. */
export class Context {
  constructor(
    readonly clock: Clock,
    readonly log: Log,
    readonly conditions: Conditions = new Conditions(log, clock),
  ) {}
}
