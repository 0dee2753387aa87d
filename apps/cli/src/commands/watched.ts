import { setTimeout as delay } from 'node:timers/promises';
import { isPassing, type ControlPlane } from '../client/control-plane.js';
import { resumedEvents } from '../client/resumed-events.js';
import type { Batch } from '../output/watch-printer.js';
import { messageOf } from '../output/errors.js';

const POLL_EVERY_MS = 2_000;

/** Which objects of a list, as its query says it: by labels and by a pattern of names. */
export type Choice = Readonly<Record<'selector' | 'name', string | undefined>>;

/** Hosts as the control plane tells of them; a stream that was cut begins with all of them again. */
export async function* changesOfNodes(
  controlPlane: ControlPlane,
  choice: Choice,
): AsyncGenerator<Batch<never>, void, undefined> {
  let batch = { all: true, rows: [] as never[], gone: [] as string[] };
  for await (const event of resumedEvents(controlPlane, '/v1/watch/nodes', choice)) {
    // What came of a batch before the stream was cut comes again.
    if (event === 'opened') batch = { all: true, rows: [], gone: [] };
    else if (event.event === 'node') batch.rows.push(JSON.parse(event.data) as never);
    else if (event.event === 'gone')
      batch.gone.push((JSON.parse(event.data) as { name: string }).name);
    else if (event.event === 'synced') {
      yield batch;
      batch = { all: false, rows: [], gone: [] };
    }
  }
}

/** Objects of a kind without a stream: all of them are asked for again and again, over lost connections. */
export async function* changesOf(
  read: () => Promise<readonly never[]>,
): AsyncGenerator<Batch<never>, void, undefined> {
  for (;;) {
    const rows = await read().catch(retried);
    if (rows !== undefined) yield { all: true, rows, gone: [] };
    await delay(POLL_EVERY_MS);
  }
}

function retried(error: unknown): undefined {
  if (!isPassing(error)) throw error;
  console.error(`${messageOf(error)}; trying again`);
}
