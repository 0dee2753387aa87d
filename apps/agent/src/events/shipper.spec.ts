import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEvents, sealCursor } from '#bundle';
import type { AlertBatch } from '#contracts';
import { Log } from '#observability';
import { Clock } from '../health/clock.js';
import { Surroundings } from '../health/surroundings.js';
import { alertOf } from './alert-of.js';
import { compareEventIds } from './event-id.js';
import { Shipper } from './shipper.js';
import { Spool } from './spool.js';

const NODE = 'ab'.repeat(32);
const HOST_KEY = Buffer.alloc(32, 7);
const RESENT_MS = 10_000;
const run = { bootedAt: '2026-11-25T12:00:00.000Z', sequence: 1 };

class SetClock extends Clock {
  ms = 1_000;
  override now(): number {
    return this.ms;
  }
  override elapsed(): number {
    return this.ms;
  }
  override random(): number {
    return 0.5;
  }
  override wait(): Promise<void> {
    return Promise.resolve();
  }
}

/** As the control plane does it for one identity: what is not above the one cursor is a duplicate. */
class Store {
  readonly stored: string[] = [];
  cursor = '';
  batches: AlertBatch[] = [];
  /** Batches wait on Redis. */
  away = false;

  appendEvents(sealed: Uint8Array): Promise<string> {
    this.batches.push(
      JSON.parse(openEvents(HOST_KEY, NODE, sealed).toString('utf8')) as AlertBatch,
    );
    if (!this.away) this.take();
    return Promise.resolve('');
  }

  take(): void {
    for (const { alerts, last } of this.batches) {
      const fresh = alerts.filter(({ EventID }) => compareEventIds(EventID, this.cursor) > 0);
      this.stored.push(...fresh.map(({ Resource }) => Resource));
      if (compareEventIds(last, this.cursor) > 0) this.cursor = last;
    }
    this.batches = [];
  }

  readCursor(): Promise<Buffer | undefined> {
    const bytes = Buffer.from(JSON.stringify({ v: 1, last: this.cursor }));
    return Promise.resolve(this.cursor === '' ? undefined : sealCursor(HOST_KEY, NODE, bytes));
  }
}

/** An agent that was started at `now`. */
class Host {
  private constructor(
    readonly spool: Spool,
    private readonly shipper: Shipper,
    private readonly clock: SetClock,
  ) {}

  static async start(dir: string, store: Store, now: number): Promise<Host> {
    const clock = new SetClock();
    clock.ms = now;
    const spool = await Spool.open({ dir, maxBytes: 1024 * 1024, now: () => now });
    const around = new Surroundings(clock, new Log({ write: () => undefined }));
    const shipper = new Shipper(NODE, store, spool, { current: HOST_KEY }, { run }, around);
    return new Host(spool, shipper, clock);
  }

  async denies(...paths: readonly string[]): Promise<void> {
    const source = { nodeId: NODE, node: 'web1', hostname: 'web1' };
    const event = { seq: 1, time: 1, type: 'denied', operation: 'open' } as const;
    const alerts = paths.flatMap((name) => alertOf({ ...event, name }, undefined, source, 0) ?? []);
    await this.spool.append(alerts.map((alert) => ({ sensor: 1, alert })));
  }

  /** Ships, and hears what came of it. */
  async ships(): Promise<void> {
    for (let look = 0; look < 4; look += 1) {
      await this.shipper.ship();
      this.clock.ms += RESENT_MS;
    }
  }
}

let root: string;
let store: Store;
const open: Host[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostward-shipper-'));
  store = new Store();
});
afterEach(async () => {
  for (const host of open.splice(0)) await host.spool.close();
  rmSync(root, { recursive: true, force: true });
});

const start = async (name: string, now: number): Promise<Host> => {
  const host = await Host.start(join(root, name), store, now);
  open.push(host);
  return host;
};

describe('alerts of a host', () => {
  it('are sent once, also where it was started anew before it heard of them', async () => {
    const first = await start('host', 1_000);
    store.away = true;
    await first.denies('/a', '/b');
    await first.ships();
    store.take();
    store.away = false;
    await first.spool.close();
    const second = await start('host', 500_000);
    await second.denies('/c');
    await second.ships();
    expect([store.stored, second.spool.status().waiting]).toEqual([['/a', '/b', '/c'], 0]);
  });

  it('are stored though a copy of it sent some whose ids are later', async () => {
    const original = await start('original', 1_000);
    const copy = await start('copy', 500_000);
    await original.denies('/a');
    await original.ships();
    await copy.denies('/of-the-copy');
    await copy.ships();
    await original.denies('/b', '/c');
    await original.ships();
    expect(store.stored).toEqual(['/a', '/of-the-copy', '/b', '/c']);
    expect(original.spool.status().waiting).toBe(0);
  });

  it('are stored though a copy sent some while they were under way, or waited for the agent to start', async () => {
    const original = await start('original', 1_000);
    const copy = await start('copy', 500_000);
    store.away = true;
    await original.denies('/a');
    await original.ships();
    await copy.denies('/of-the-copy');
    await copy.ships();
    store.batches.reverse();
    store.take();
    store.away = false;
    expect(store.stored).toEqual(['/of-the-copy']);
    await original.spool.close();
    const again = await start('original', 900_000);
    await again.denies('/b');
    await again.ships();
    expect(store.stored).toEqual(['/of-the-copy', '/a', '/b']);
    expect(again.spool.status().waiting).toBe(0);
  });

  it('are stored after the machine went back to a snapshot with its memory, which gives ids out again', async () => {
    const host = await start('host', 1_000);
    await host.denies('/a');
    await host.ships();
    // What the store has of what happened after the snapshot.
    store.cursor = '1000-0000000005';
    await host.denies(...['/1', '/2', '/3', '/4', '/5', '/6', '/7']);
    await host.ships();
    expect(store.stored).toEqual(['/a', '/1', '/2', '/3', '/4', '/5', '/6', '/7']);
    expect(host.spool.status().waiting).toBe(0);
  });
});
