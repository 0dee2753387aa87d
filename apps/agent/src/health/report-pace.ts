import { verifyPace, type PaceOrder, type RootDocument } from '#bundle';
import { REPORT_INTERVAL_MS, returnWithinMs } from '#contracts';
import type { HostLink } from '#redis';
import { Context } from './context.js';
import { Published } from './published.js';

/** The control plane repeats its order every half a minute; who has not heard it for so long goes by none. */
const HOLDS_MS = 120_000;
const ASK_EVERY_REPORTS = 60;

/**
 * How often the control plane wants a report while nothing changes: the larger the fleet, the more rarely. Until it says
 * so, and when it has not said so for a time, the interval is the one that every control plane counts on.
 */
export class ReportPace {
  #order: PaceOrder | undefined;
  readonly #orders: Published<PaceOrder>;
  #heardAt = 0;

  /** `root` says whose orders count: those of its online keys; `onOrder` is told of each that counts. */
  constructor(
    private readonly root: () => RootDocument,
    private readonly around: Context,
    private readonly onOrder: (reportEveryMs: number) => void,
  ) {
    this.#orders = new Published(verifyPace, ({ code }) =>
      around.log.debug('a pace is not taken', { code }),
    );
  }

  /** By it goes how a host comes back to Redis too, by the last order as long as nobody can be heard. */
  static of(
    keys: { readonly root: RootDocument },
    link: Pick<HostLink, 'slowTo'>,
    around: Context,
  ): ReportPace {
    const root = (): RootDocument => keys.root;
    return new ReportPace(root, around, (everyMs) => link.slowTo(returnWithinMs(everyMs)));
  }

  /** Milliseconds from one report to the next at the latest. */
  get everyMs(): number {
    return this.#held()?.reportEveryMs ?? REPORT_INTERVAL_MS;
  }

  /** Milliseconds after which a host asks by itself for what hints tell it sooner. */
  get askEveryMs(): number {
    return ASK_EVERY_REPORTS * this.everyMs;
  }

  /** Takes what somebody published as an order; what no online key signed, and what is older, is dropped. Never throws. */
  take(published: unknown): void {
    const order = this.#orders.take(published, this.root())?.value;
    if (order === undefined || order.at < (this.#held()?.at ?? 0)) return;
    this.#order = order;
    this.#heardAt = this.around.clock.now();
    this.onOrder(order.reportEveryMs);
  }

  #held(): PaceOrder | undefined {
    const agoMs = Math.abs(this.around.clock.now() - this.#heardAt);
    return agoMs < HOLDS_MS ? this.#order : undefined;
  }
}
