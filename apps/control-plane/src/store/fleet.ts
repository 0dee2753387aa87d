import { currentCaller } from '../auth/caller.js';
import type { Scope } from '../auth/scope.js';
import { ProblemError } from '../http/index.js';
import type { Affected } from './affected.js';
import type { KeyEncryptionKeys } from '../records/key-encryption-keys.js';
import { FleetState } from './fleet-state.js';
import { FleetViews } from './fleet-views.js';
import type { WatchMessage } from '#etcd';

type Listener = (affected: Affected) => void;

interface Waiter {
  readonly revision: bigint;
  readonly done: (reached: boolean) => void;
}

/** The fleet in memory, fed by the one watch; those who depend on it are told what each change affects. */
export class Fleet {
  readonly state: FleetState;
  readonly #listeners: Listener[] = [];
  readonly #taps: ((message: WatchMessage) => void)[] = [];
  readonly #views = new FleetViews();
  #waiters: Waiter[] = [];

  /** With the keys that open channel keys. */
  constructor(keks: KeyEncryptionKeys) {
    this.state = new FleetState(keks);
  }

  /** Called for every change, in the order of the watch; must not throw. */
  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Called with every message of the watch, before the fleet takes it: for what is in etcd and not of the fleet. */
  onMessage(tap: (message: WatchMessage) => void): void {
    this.#taps.push(tap);
  }

  /** Takes one message of the watch. */
  take(message: WatchMessage): void {
    for (const tap of this.#taps) tap(message);
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

  /** What the caller of the request that is being handled may see: for reading. 503 as `whole`. */
  read(): FleetState {
    const scope = currentCaller()?.scope;
    return scope === undefined ? this.whole() : this.seenIn(scope);
  }

  /** What a scope shows of the whole. 503 as `whole`. */
  seenIn(scope: Scope): FleetState {
    return this.#views.of(this.whole(), scope);
  }

  /**
   * The whole fleet, whoever asks: for deciding about writes, which are checked themselves. 503 before etcd was read
   * for the first time: an empty fleet must not look like the truth.
   */
  whole(): FleetState {
    if (this.state.revision > 0n) return this.state;
    throw new ProblemError('unavailable', {
      detail: 'etcd has not been read yet',
      headers: { 'retry-after': '2' },
    });
  }
}
