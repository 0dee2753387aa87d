import type { Log } from '#observability';
import { Clock } from './clock.js';

/** What can be wrong around the agent; each is told once when it begins and once when it ends. */
export type ConditionName =
  | 'redis'
  | 'control-plane'
  | 'enrollment'
  | 'sensor'
  | 'delivery'
  | 'spool'
  | 'events'
  | 'clock'
  | 'report'
  | 'redirect'
  | 'signed-status';

/** Something that is wrong now; `since` is ISO 8601. */
export interface Condition {
  readonly name: ConditionName;
  readonly message: string;
  readonly since: string;
}

const REMIND_MS = 10 * 60_000;

interface Held extends Condition {
  readonly toldAt: number;
}

/**
 * The faults that the agent lives with at this moment. A fault is logged when it begins, when its message changes,
 * every ten minutes while it lasts, and when it is over, so that a day without Redis is not a million lines.
 */
export class Conditions {
  readonly #held = new Map<ConditionName, Held>();
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly log: Log,
    private readonly clock: Clock,
  ) {}

  /** The fault is there; `message` says what, and what a person can do. */
  raise(name: ConditionName, message: string): void {
    const now = this.clock.now();
    const held = this.#held.get(name);
    if (held !== undefined && held.message === message && now - held.toldAt < REMIND_MS) return;
    const since = held?.since ?? new Date(now).toISOString();
    this.#held.set(name, { name, message, since, toldAt: now });
    this.log.warn('condition', { condition: name, problem: message, since });
    this.#changed();
  }

  /** The fault is gone. */
  clear(name: ConditionName): void {
    const held = this.#held.get(name);
    if (held === undefined) return;
    this.#held.delete(name);
    this.log.info('condition over', { condition: name, since: held.since });
    this.#changed();
  }

  /** All faults of now, by name. */
  list(): readonly Condition[] {
    return [...this.#held.values()].map(({ name, message, since }) => ({ name, message, since }));
  }

  /** Their names alone. */
  names(): Iterable<ConditionName> {
    return this.#held.keys();
  }

  has(name: ConditionName): boolean {
    return this.#held.has(name);
  }

  /** Until what it gives is called: conditions outlive an agent that is started anew in the same process. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
