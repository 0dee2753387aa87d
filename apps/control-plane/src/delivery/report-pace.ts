import { signPace, type SignedDocument, type Signer } from '#bundle';
import { REPORT_INTERVAL_MS, reportEveryMs } from '#contracts';
import { Clock } from '../http/clock.js';
import type { FleetState } from '../store/fleet-state.js';

/** As often as it is repeated. */
const SIGN_ANEW_MS = 30_000;

/** Hosts that may report; a node that is only declared does not. Costs a look at all. */
export function enrolledOf(state: FleetState): number {
  return state.nodes.sorted().filter(({ record }) => state.believed(record)).length;
}

/**
 * The signed order by which a large fleet reports more rarely; without one hosts report as every control plane counts on.
 * What a host makes of it, it says in its reports: those alone say how long they are good.
 */
export class ReportPace {
  #everyMs = REPORT_INTERVAL_MS;
  #last:
    { readonly everyMs: number; readonly at: number; readonly order: SignedDocument } | undefined;

  constructor(
    private readonly hosts: () => number,
    private readonly signer: Signer,
    private readonly clock: Clock,
  ) {}

  /** How often hosts report, as it was when an order was asked for last. */
  get everyMs(): number {
    return this.#everyMs;
  }

  /** What is to be told now; undefined where nothing is. */
  order(): SignedDocument | undefined {
    const everyMs = reportEveryMs(this.hosts());
    this.#everyMs = everyMs;
    if (everyMs === REPORT_INTERVAL_MS) this.#last = undefined;
    else if (!this.#last || this.#last.everyMs !== everyMs || this.#isOld(this.#last.at))
      this.#last = { everyMs, at: this.clock.nowMs(), order: this.#sign(everyMs) };
    return this.#last?.order;
  }

  /** Hosts hold to the newest order by its time: one of another control plane, which may be gone, must not outdo ours for ever. */
  #isOld(at: number): boolean {
    return Math.abs(this.clock.nowMs() - at) >= SIGN_ANEW_MS;
  }

  #sign(reportEveryMs: number): SignedDocument {
    return signPace({ v: 1, at: this.clock.nowMs(), reportEveryMs }, this.signer);
  }
}
