import { beforeEach, expect, it } from '@jest/globals';
import { openEvents, sealCursor } from '#bundle';
import type { AlertBatch } from '#contracts';
import { Log } from '#observability';
import { Clock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { compareEventIds } from './event-id.js';
import { TelemetryEventShipper } from './telemetry-event-shipper.js';
import { TelemetryEvents } from './telemetry-events.js';

const NODE = 'ab'.repeat(32);
const HOST_KEY = Buffer.alloc(32, 7);
const AHEAD = '9000000-0000000003';
const run = { bootedAt: '2026-11-25T12:00:00.000Z', sequence: 1 };

class SetClock extends Clock {
  override now(): number {
    return 1_000;
  }
  override elapsed(): number {
    return 0;
  }
  override random(): number {
    return 0.5;
  }
  override wait(): Promise<void> {
    return Promise.resolve();
  }
}

/** As the control plane does it: what is not above the host's cursor is a duplicate. */
class Store {
  readonly stored: number[] = [];
  cursor: string | undefined;
  /** Redis has no cursor, though the store does. */
  emptied = false;

  appendEvents(sealed: Uint8Array): Promise<string> {
    const batch = JSON.parse(openEvents(HOST_KEY, NODE, sealed).toString('utf8')) as AlertBatch;
    const { cursor = '' } = this;
    const fresh = batch.alerts.filter(({ EventID }) => compareEventIds(EventID, cursor) > 0);
    this.stored.push(...fresh.map(({ PID }) => PID));
    if (compareEventIds(batch.last, cursor) > 0) this.cursor = batch.last;
    this.emptied = false;
    return Promise.resolve('');
  }

  readCursor(): Promise<Buffer | undefined> {
    const bytes = Buffer.from(JSON.stringify({ v: 1, last: '0-0', observed: this.cursor }));
    const none = this.emptied || this.cursor === undefined;
    return Promise.resolve(none ? undefined : sealCursor(HOST_KEY, NODE, bytes));
  }
}

let store: Store;
let telemetryEvents: TelemetryEvents;
let shipper: TelemetryEventShipper;
beforeEach(() => {
  store = new Store();
  telemetryEvents = new TelemetryEvents({ nodeId: NODE, node: 'web1', hostname: 'web1' });
  const around = new Context(new SetClock(), new Log({ write: () => undefined }));
  const spool = { status: () => ({ bytes: 0, waiting: 0, lost: 0 }) };
  const keys = { current: HOST_KEY };
  shipper = new TelemetryEventShipper(NODE, store, telemetryEvents, spool, keys, { run }, around);
});

async function observe(pid: number): Promise<void> {
  telemetryEvents.add({
    seq: pid,
    time: 1_000,
    type: 'observed',
    class: 'file',
    operation: 'open',
    pid,
  });
  await shipper.ship();
}

it('is stored by a host whose clock was ahead when its agent was started once', async () => {
  store.cursor = AHEAD;
  for (const pid of [1, 2, 3]) await observe(pid);
  expect([store.stored, telemetryEvents.lost]).toEqual([[1, 2, 3], 0]);
});

it('is counted as lost where the store has later ids of which nobody could know, and stored from then on', async () => {
  store.cursor = AHEAD;
  store.emptied = true;
  for (const pid of [1, 2, 3]) await observe(pid);
  expect([store.stored, telemetryEvents.lost]).toEqual([[2, 3], 1]);
});
