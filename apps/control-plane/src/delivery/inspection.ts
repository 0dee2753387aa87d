import type { Log } from '#observability';
import type { Trust } from '../config/trust.js';
import type { DeliveredState } from './delivered-state.js';
import type { DeliveryChannel, Held } from './delivery-channel.js';
import { isSpoilt } from './conflict-resolution.js';

/** What is compared. */
export interface InspectionParts {
  readonly channel: DeliveryChannel;
  readonly delivered: DeliveredState;
  /** Whether a host is served here; never one that nobody knows. */
  readonly serves: (nodeId: string) => boolean;
  readonly log: Log;
  readonly trust: Pick<Trust, 'root'>;
}

/** What is to be done about the channel. */
export interface Findings {
  /** Assignments and bundles that were written and are not there any more, or not as they were. */
  readonly missing: Held;
  /** Bundles and hosts that are there and that nobody names. */
  readonly unnamed: Held;
}

/** Sweeps that follow a fill: what is unnamed in both goes; a replica that lags at the first is not wronged. */
const SWEEPS = 2;
/** Assignments that one look reads, in turn: what a look costs does not grow with the fleet. */
const READ_AT_ONCE = 32;

/**
 * Compares what was written with what the channel really holds: keys can vanish one by one (eviction, another replica
 * that lags), and a control plane that was down leaves what nobody names any more.
 */
export class Inspection {
  #sweepsLeft = 0;
  #seen: Held = NOTHING;
  /** Where the next look goes on reading. */
  #read = 0;

  constructor(private readonly parts: InspectionParts) {}

  /** The channel is filled anew: the next two looks also list what nobody names. */
  filled(): void {
    this.#sweepsLeft = SWEEPS;
    this.#seen = NOTHING;
  }

  /** Lists what nobody names only where the delivered state names all that hosts have or are to have: `isComplete`. */
  async look(isComplete: boolean): Promise<Findings> {
    const wanted = {
      bundles: this.parts.delivered.digests(),
      nodeIds: this.parts.delivered.nodeIds(),
    };
    const present = await this.parts.channel.present(wanted);
    const { bundles, nodeIds } = without(wanted, present);
    const missing = { bundles, nodeIds: nodeIds.union(await this.#spoilt([...present.nodeIds])) };
    return { missing, unnamed: isComplete ? await this.#sweep() : NOTHING };
  }

  /** Of some of these hosts, others the next time: those that could not open what is there for them. */
  async #spoilt(nodeIds: readonly string[]): Promise<ReadonlySet<string>> {
    const from = nodeIds.length === 0 ? 0 : this.#read % nodeIds.length;
    const count = Math.min(READ_AT_ONCE, nodeIds.length);
    const turn = [...nodeIds, ...nodeIds].slice(from, from + count);
    this.#read = from + count;
    const records = turn.length === 0 ? [] : await this.parts.channel.records(turn);
    const spoilt = turn.filter((nodeId, index) => {
      const written = this.parts.delivered.get(nodeId);
      return written !== undefined && isSpoilt(records[index], written, this.parts.trust.root);
    });
    return new Set(spoilt);
  }

  /** Part of what is there may lie on a Redis that is away: then the sweep stays due, and what is missing is put back. */
  async #sweep(): Promise<Held> {
    if (this.#sweepsLeft === 0) return NOTHING;
    try {
      return this.#unnamed(await this.parts.channel.contents());
    } catch (error) {
      this.parts.log.warn('what is there cannot be listed, trying again', { error });
      return NOTHING;
    }
  }

  #unnamed({ bundles, nodeIds }: Held): Held {
    const named = this.parts.delivered.digests();
    const unnamed = {
      bundles: new Set([...bundles].filter((digest) => !named.has(digest))),
      nodeIds: new Set([...nodeIds].filter((nodeId) => !this.parts.serves(nodeId))),
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
