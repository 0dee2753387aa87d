import { ProblemError } from '../http/index.js';
import type { Affected } from './affected.js';
import { FleetState } from './fleet-state.js';
import type { WatchMessage } from '#etcd';

type Listener = (affected: Affected) => void;

interface Waiter {
  readonly revision: bigint;
  readonly done: (reached: boolean) => void;
}

/** The fleet in memory, fed by the one watch; those who depend on it are told what each change affects. */
export class Fleet {
  readonly state = new FleetState();
  readonly #listeners: Listener[] = [];
  #waiters: Waiter[] = [];

  /** Called for every change, in the order of the watch; must not throw. */
  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Takes one message of the watch. */
  take(message: WatchMessage): void {
    const affected = this.state.apply(message);
    for (const listener of this.#listeners) listener(affected);
    const reached = this.#waiters.filter(({ revision }) => revision <= this.state.revision);
    this.#waiters = this.#waiters.filter(({ revision }) => revision > this.state.revision);
    for (const waiter of reached) waiter.done(true);
  }

  /** True once the fleet has seen `revision`; false after `timeoutMs`. */
  async reached(revision: bigint, timeoutMs: number): Promise<boolean> {
    if (this.state.revision >= revision) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiter.done(false), timeoutMs);
      const waiter: Waiter = {
        revision,
        done: (reached) => {
          clearTimeout(timer);
          this.#waiters = this.#waiters.filter((each) => each !== waiter);
          resolve(reached);
        },
      };
      this.#waiters.push(waiter);
    });
  }

  /** The state, or 503 before etcd was read for the first time: an empty fleet must not look like the truth. */
  read(): FleetState {
    if (this.state.revision > 0n) return this.state;
    throw new ProblemError('unavailable', {
      detail: 'etcd has not been read yet',
      headers: { 'retry-after': '2' },
    });
  }
}
