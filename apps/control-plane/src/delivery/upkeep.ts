import type { Board } from './board.js';
import type { DeliveryChannel, Held } from './delivery-channel.js';

/** What is to be done about the channel. */
export interface Findings {
  /** Assignments and bundles that were written and are not there any more. */
  readonly missing: Held;
  /** Bundles and hosts that are there and that nobody names. */
  readonly unnamed: Held;
}

/** Sweeps that follow a fill: what is unnamed in both goes; a replica that lags at the first is not wronged. */
const SWEEPS = 2;

/**
 * Compares what was written with what the channel really holds: keys can vanish one by one (eviction, another replica
 * that lags), and a control plane that was down leaves what nobody names any more.
 */
export class Upkeep {
  #sweepsLeft = 0;
  #seen: Held = NOTHING;

  constructor(
    private readonly channel: DeliveryChannel,
    private readonly board: Board,
    private readonly isKnown: (nodeId: string) => boolean,
  ) {}

  /** The channel is filled anew: the next two looks also list what nobody names. */
  filled(): void {
    this.#sweepsLeft = SWEEPS;
    this.#seen = NOTHING;
  }

  async look(): Promise<Findings> {
    const wanted = { bundles: this.board.digests(), nodeIds: this.board.nodeIds() };
    const present = await this.channel.present(wanted);
    return { missing: without(wanted, present), unnamed: await this.#unnamed() };
  }

  async #unnamed(): Promise<Held> {
    if (this.#sweepsLeft === 0) return NOTHING;
    const { bundles, nodeIds } = await this.channel.contents();
    const named = this.board.digests();
    const unnamed = {
      bundles: new Set([...bundles].filter((digest) => !named.has(digest))),
      nodeIds: new Set([...nodeIds].filter((nodeId) => !this.isKnown(nodeId))),
    };
    const before = this.#seen;
    this.#seen = unnamed;
    this.#sweepsLeft -= 1;
    return {
      bundles: both(unnamed.bundles, before.bundles),
      nodeIds: both(unnamed.nodeIds, before.nodeIds),
    };
  }
}

const NOTHING: Held = { bundles: new Set(), nodeIds: new Set() };

function without(a: Held, b: Held): Held {
  return {
    bundles: new Set([...a.bundles].filter((each) => !b.bundles.has(each))),
    nodeIds: new Set([...a.nodeIds].filter((each) => !b.nodeIds.has(each))),
  };
}

function both(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...a].filter((each) => b.has(each)));
}
