import { createHash } from 'node:crypto';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import type { NodeView } from '#contracts';
import type { FleetState } from '../store/fleet-state.js';
import type { Item, Stored } from '../store/record-index.js';
import type { EventStream } from '../http/event-streams.js';
import type { NodeMarks } from './node-news.js';
import type { NodeRecord } from '../records/node.record.js';

const BATCH_EVERY_MS = 500;
/** A comment as often keeps proxies from closing a quiet stream, and finds readers that are gone. */
const HEARTBEAT_MS = 15_000;
/** Other requests are answered between so many hosts. */
const AT_ONCE = 200;

/** What a stream of hosts is made of. */
export interface NodeStreamParts {
  /** The fleet as the reader may see it now. */
  readonly read: () => FleetState;
  readonly isWanted: (item: Item<NodeRecord>) => boolean;
  readonly view: (stored: Stored<NodeRecord>, state: FleetState) => NodeView;
  readonly marks: NodeMarks;
  /** Whether the reader may still read. */
  readonly stillCounts: () => boolean;
}

/**
 * Writes hosts to one reader: first all, then each that looks different from before, in batches: `event: node` with a
 * NodeView, `event: gone` with `{"name"}`, and `event: synced` after each batch. Nothing is resumed: a reader that comes
 * back gets all again, so nothing that happened meanwhile is lost.
 */
export class NodeStream {
  /** Digests of what the reader was shown. */
  readonly #shown = new Map<string, string>();

  constructor(
    private readonly stream: EventStream,
    private readonly parts: NodeStreamParts,
  ) {}

  /** Until the reader is gone, may read no more, or we end. */
  async follow(): Promise<void> {
    const { signal, write } = this.stream;
    const { read, marks, stillCounts } = this.parts;
    await this.#show(
      read()
        .nodes.sorted()
        .map(({ name }) => name),
    );
    await this.#synced();
    let quietMs = 0;
    while (!signal.aborted && stillCounts()) {
      await delay(BATCH_EVERY_MS, undefined, { signal }).catch(() => undefined);
      quietMs += BATCH_EVERY_MS;
      if (await this.#show([...marks.take()].sort())) await this.#synced();
      else if (quietMs < HEARTBEAT_MS) continue;
      else await write(': still here\n\n');
      quietMs = 0;
    }
  }

  /** True where one of them looks different from before. */
  async #show(names: readonly string[]): Promise<boolean> {
    let any = false;
    for (const [at, name] of names.entries()) {
      if (at % AT_ONCE === AT_ONCE - 1) await turn();
      if (this.stream.signal.aborted) break;
      const event = this.#eventOf(name);
      if (event === undefined) continue;
      await this.stream.write(event);
      any = true;
    }
    return any;
  }

  #eventOf(name: string): string | undefined {
    const state = this.parts.read();
    const stored = state.nodes.get(name);
    if (stored === undefined || !this.parts.isWanted(stored))
      return this.#shown.delete(name) ? eventText('gone', { name }) : undefined;
    const view = this.parts.view(stored, state);
    const digest = digestOf(view);
    if (this.#shown.get(name) === digest) return undefined;
    this.#shown.set(name, digest);
    return eventText('node', view);
  }

  #synced(): Promise<void> {
    return this.stream.write(eventText('synced', {}));
  }
}

/** Of everything but the time of the last report, which goes on by itself. */
function digestOf(view: NodeView): string {
  const text = JSON.stringify({ ...view, asOf: undefined });
  return createHash('sha1').update(text).digest('base64');
}

function eventText(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
