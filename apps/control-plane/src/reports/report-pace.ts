import { signPace, type SignedDocument, type Signer } from '#bundle';
import { MAX_REPORT_INTERVAL_MS, REPORT_INTERVAL_MS } from '#contracts';
import { Clock } from '../clock.js';
import type { FleetState } from '../fleet/fleet-state.js';

/** What a control plane reads while nothing changes, where the fleet is not too large for it. */
const REPORTS_A_SECOND = 50;
/** In whole steps, so that a host that comes or goes mostly changes nothing. */
const STEP_MS = 5_000;

/** How often each of so many hosts is to report while nothing changes, in ms. Pure. */
export function reportEveryMs(hosts: number): number {
  const wholeMs = Math.ceil(((hosts / REPORTS_A_SECOND) * 1_000) / STEP_MS) * STEP_MS;
  return Math.min(MAX_REPORT_INTERVAL_MS, Math.max(REPORT_INTERVAL_MS, wholeMs));
}

/** Hosts that may report; a node that is only declared does not. Costs a look at all. */
export function enrolledOf(state: FleetState): number {
  return state.nodes.sorted().filter(({ record }) => state.believed(record)).length;
}

/**
 * The signed order by which a large fleet reports more rarely; without one hosts report as every control plane counts on.
 * What a host makes of it, it says in its reports: those alone say how long they are good.
 */
export class ReportPace {
  #last: { readonly everyMs: number; readonly order: SignedDocument } | undefined;

  constructor(
    private readonly hosts: () => number,
    private readonly signer: Signer,
    private readonly clock: Clock,
  ) {}

  /** What is to be told now; undefined where nothing is. */
  order(): SignedDocument | undefined {
    const everyMs = reportEveryMs(this.hosts());
    if (everyMs === REPORT_INTERVAL_MS) this.#last = undefined;
    else if (this.#last?.everyMs !== everyMs) this.#last = { everyMs, order: this.#sign(everyMs) };
    return this.#last?.order;
  }

  #sign(reportEveryMs: number): SignedDocument {
    return signPace({ v: 1, at: this.clock.nowMs(), reportEveryMs }, this.signer);
  }
}
