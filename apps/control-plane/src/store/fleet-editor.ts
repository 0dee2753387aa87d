import { Injectable } from '@nestjs/common';
import { currentCaller } from '../auth/caller.js';
import { checkWrites } from './write-gate.js';
import { Trust } from '../config/trust.js';
import { writeConflict } from '../http/index.js';
import { Ledger, type LedgerChange } from './ledger.js';
import { checkReadable } from './check-readable.js';
import { Fleet } from './fleet.js';
import { checkAuthored } from './authored-gate.js';
import type { FleetState } from './fleet-state.js';
import { touchingUnreadable } from './unreadable-records.js';

const ATTEMPTS = 8;
/** How long an answer waits until the fleet in memory has seen the write, so that callers read what they wrote. */
const CATCH_UP_MS = 2_000;

/** Whether the caller means records that cannot be read too. */
export interface Override {
  readonly overrideUnreadable?: boolean;
}

/** Changes the fleet by compare-and-swap on what is in memory: decided anew whenever somebody was faster. */
@Injectable()
export class FleetEditor {
  constructor(
    private readonly fleet: Fleet,
    private readonly ledger: Ledger,
    private readonly trust: Trust,
  ) {}

  /**
   * Commits what `decide` makes of the state; where it makes nothing, nothing is written and the answer is undefined.
   * Throws what `decide` throws, 403 for what the caller may not write, 409 where others were faster each time
   * and for a record that cannot be read, unless that is meant, and the errors of #etcd.
   */
  async edit(
    decide: (state: FleetState) => LedgerChange | undefined | Promise<LedgerChange | undefined>,
    { overrideUnreadable = false }: Override = {},
  ): Promise<bigint | undefined> {
    let target: string | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const state = this.fleet.whole();
      const decided = await decide(state);
      if (!decided) return undefined;
      ({ target } = decided.auditLog);
      const change = this.#checked(state, decided, overrideUnreadable);
      const result = await this.ledger.commit(change);
      await this.fleet.reached(result.revision, CATCH_UP_MS);
      if (result.outcome === 'committed') return result.revision;
    }
    throw writeConflict(target);
  }

  /** As `edit`, but writes nothing: throws what it would throw, but for the errors of etcd. */
  async rehearse(
    decide: (state: FleetState) => LedgerChange | undefined | Promise<LedgerChange | undefined>,
    { overrideUnreadable = false }: Override = {},
  ): Promise<void> {
    const state = this.fleet.whole();
    const change = await decide(state);
    if (change) this.#checked(state, change, overrideUnreadable);
  }

  #checked(state: FleetState, change: LedgerChange, overrideUnreadable: boolean): LedgerChange {
    const caller = currentCaller();
    if (caller) checkWrites(caller, state, change);
    if (this.trust.authored) checkAuthored(state, change);
    checkReadable(change.then);
    // Last: why a record cannot be read is for nobody who may not write it.
    return touchingUnreadable(state, change, overrideUnreadable);
  }
}
