import { isDeepStrictEqual } from 'node:util';
import { RefusedError, verifyPace, type PaceOrder, type RootDocument } from '#bundle';
import { REPORT_INTERVAL_MS, returnWithinMs } from '#contracts';
import type { HostLink } from '#redis';
import { Surroundings } from '../health/surroundings.js';

/** The control plane repeats its order every half a minute; who has not heard it for so long goes by none. */
const HOLDS_MS = 120_000;
const ASK_EVERY_REPORTS = 60;

interface Verified {
  readonly published: unknown;
  readonly root: RootDocument;
  readonly order: PaceOrder;
}

/**
 * How often the control plane wants a report while nothing changes: the larger the fleet, the more rarely. Until it says
 * so, and when it has not said so for a time, the interval is the one that every control plane counts on.
 */
export class ReportPace {
  #order: PaceOrder | undefined;
  /** What was published last and verified under this root document: it is repeated as it is. */
  #last: Verified | undefined;
  #heardAt = 0;

  /** `root` says whose orders count: those of its online keys; `onOrder` is told of each that counts. */
  constructor(
    private readonly root: () => RootDocument,
    private readonly around: Surroundings,
    private readonly onOrder: (reportEveryMs: number) => void,
  ) {}

  /** By it goes how a host comes back to Redis too, by the last order as long as nobody can be heard. */
  static of(
    keys: { readonly root: RootDocument },
    link: Pick<HostLink, 'slowTo'>,
    around: Surroundings,
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
    const order = this.#verified(published);
    if (order === undefined || order.at < (this.#held()?.at ?? 0)) return;
    this.#order = order;
    this.#heardAt = this.around.clock.now();
    this.onOrder(order.reportEveryMs);
  }

  #held(): PaceOrder | undefined {
    const agoMs = Math.abs(this.around.clock.now() - this.#heardAt);
    return agoMs < HOLDS_MS ? this.#order : undefined;
  }

  #verified(published: unknown): PaceOrder | undefined {
    const root = this.root();
    const last = this.#last;
    if (last?.root === root && isDeepStrictEqual(last.published, published)) return last.order;
    try {
      const order = verifyPace(published, root.online);
      this.#last = { published, root, order };
      return order;
    } catch (cause) {
      if (!(cause instanceof RefusedError)) throw cause;
      this.around.log.debug('a pace is not taken', { code: cause.code });
      return undefined;
    }
  }
}
