import { Injectable } from '@nestjs/common';
import { currentCaller } from '../access/caller.js';
import { checkWrites } from '../access/write-gate.js';
import { Trust } from '../config/trust.js';
import { ProblemError } from '../http/index.js';
import { Ledger, type LedgerChange } from '../journal/ledger.js';
import { checkReadable } from './check-readable.js';
import { Fleet } from './fleet.js';
import { checkAuthored } from '../trust/authored-gate.js';
import type { FleetState } from './fleet-state.js';

const ATTEMPTS = 8;
/** How long an answer waits until the fleet in memory has seen the write, so that callers read what they wrote. */
const CATCH_UP_MS = 2_000;

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
   * Throws what `decide` throws, 403 for what the caller may not write, 409 where others were faster each time, and the errors of #etcd.
   */
  async edit(
    decide: (state: FleetState) => LedgerChange | undefined | Promise<LedgerChange | undefined>,
  ): Promise<bigint | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const state = this.fleet.whole();
      const change = await decide(state);
      if (!change) return undefined;
      this.#check(state, change);
      const result = await this.ledger.commit(change);
      await this.fleet.reached(result.revision, CATCH_UP_MS);
      if (result.outcome === 'committed') return result.revision;
    }
    throw new ProblemError('conflict', { detail: 'other writers were faster; try again' });
  }

  /** As `edit`, but writes nothing: throws what it would throw, but for the errors of etcd. */
  rehearse(decide: (state: FleetState) => LedgerChange | undefined): void {
    const state = this.fleet.whole();
    const change = decide(state);
    if (change) this.#check(state, change);
  }

  #check(state: FleetState, change: LedgerChange): void {
    const caller = currentCaller();
    if (caller) checkWrites(caller, state, change);
    if (this.trust.authored) checkAuthored(state, change);
    checkReadable(change.then);
  }
}
