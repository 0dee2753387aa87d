import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  generateSigningKey,
  loadSigner,
  openCursor,
  sealEvents,
  signRoot,
  trustRoot,
} from '#bundle';
import { Log } from '#observability';
import { Trust } from '../config/trust.js';
import { Fleet } from '../fleet/fleet.js';
import { Metrics } from '../health/metrics.js';
import { HostInbox, type SealedEntry } from '../reports/host-inbox.js';
import { KnownHosts } from '../reports/known-hosts.js';
import { AlertNews } from '../sinks/alert-news.js';
import { nodeRecord, putHostKey, putNode, snapshot, testKeks } from '../testing/records.js';
import { alertBatch } from '../testing/test-host.js';
import { AlertStore, type StoreOutcome } from './alert.store.js';
import { EventIntake } from './event-intake.js';

const NODE = 'a'.repeat(64);
const HOST_KEY = Buffer.alloc(32, 7);

class FakeInbox extends HostInbox {
  entries: SealedEntry[] = [];
  cursor: Uint8Array | undefined;

  override start(): void {
    return undefined;
  }
  override readAll(): void {
    return undefined;
  }
  override events(_nodeId: string, limit: number): Promise<readonly SealedEntry[]> {
    return Promise.resolve(this.entries.slice(0, limit));
  }
  override writeCursor(_nodeId: string, sealed: Uint8Array): Promise<void> {
    this.cursor = sealed;
    return Promise.resolve();
  }
  override remove(_nodeId: string, ids: readonly string[]): Promise<void> {
    this.entries = this.entries.filter(({ id }) => !ids.includes(id));
    return Promise.resolve();
  }
  override discard(): Promise<void> {
    this.entries = [];
    return Promise.resolve();
  }
  override stop(): void {
    return undefined;
  }
}

class FakeStore extends AlertStore {
  full = false;
  stored = 0;

  override add(_nodeId: string, batch: { alerts: readonly unknown[]; last: string }): StoreOutcome {
    if (this.full) throw new Error('database or disk is full');
    this.stored += batch.alerts.length;
    return { stored: batch.alerts.length, duplicates: 0, last: batch.last };
  }
  override before(): readonly never[] {
    return [];
  }
  override after(): readonly never[] {
    return [];
  }
  override byEventId(): undefined {
    return undefined;
  }
  override lastId(): number {
    return this.stored;
  }
  override health(): { ok: boolean; detail: string } {
    return { ok: !this.full, detail: '' };
  }
  override close(): void {
    return undefined;
  }
}

let inbox: FakeInbox;
let store: FakeStore;
let intake: EventIntake;
beforeEach(() => {
  const key = generateSigningKey();
  const keys = [{ keyid: key.keyid, key: key.key }];
  const document = {
    v: 1,
    version: 1,
    epoch: '1',
    expiresAt: 4_000_000_000_000,
    mode: 'managed',
    root: { threshold: 1, keys },
    authors: [],
    online: keys,
  } as const;
  const signer = loadSigner(key.privateKey);
  const root = trustRoot(signRoot(document, [signer]));
  const trust = new Trust(
    root,
    signer,
    { epochSecret: Buffer.alloc(32), keks: testKeks },
    {
      certificatePem: '',
      privateKeyPem: '',
    },
  );
  const fleet = new Fleet(testKeks);
  fleet.take(snapshot(5n, putNode(nodeRecord('web1', {}, NODE)), putHostKey(NODE)));
  inbox = new FakeInbox();
  store = new FakeStore();
  const log = new Log({ write: () => undefined });
  intake = new EventIntake(
    inbox,
    new KnownHosts(fleet, trust),
    store,
    new AlertNews(),
    new Metrics(),
    log,
  );
});

const entry = (id: string, from: number, to: number, nodeId = NODE): SealedEntry => ({
  id,
  sealed: sealEvents(HOST_KEY, nodeId, Buffer.from(JSON.stringify(alertBatch('p', from, to)))),
});
const cursor = () =>
  inbox.cursor &&
  (JSON.parse(openCursor(HOST_KEY, NODE, inbox.cursor).toString()) as { last: string }).last;

describe('the intake of events', () => {
  it('acknowledges and removes what the store has', async () => {
    inbox.entries = [entry('1-0', 1, 2), entry('2-0', 3, 4)];
    await intake.take(NODE);
    expect([store.stored, cursor(), inbox.entries]).toEqual([4, '1000-0000000004', []]);
  });

  it('acknowledges nothing while the disk is full, and everything when it is not any more', async () => {
    inbox.entries = [entry('1-0', 1, 2)];
    store.full = true;
    await expect(intake.take(NODE)).rejects.toThrow('full');
    expect([cursor(), inbox.entries.length]).toEqual([undefined, 1]);
    store.full = false;
    await intake.take(NODE);
    expect([store.stored, cursor()]).toEqual([2, '1000-0000000002']);
  });

  it('drops what the host did not seal and takes what it did', async () => {
    const foreign = entry('1-0', 1, 2, 'b'.repeat(64));
    inbox.entries = [foreign, { id: '2-0', sealed: Buffer.from('nonsense') }, entry('3-0', 5, 5)];
    await intake.take(NODE);
    expect([store.stored, cursor(), inbox.entries]).toEqual([1, '1000-0000000005', []]);
  });

  it('writes no cursor where nothing could be read', async () => {
    inbox.entries = [{ id: '1-0', sealed: Buffer.alloc(0) }];
    await intake.take(NODE);
    expect([cursor(), inbox.entries]).toEqual([undefined, []]);
  });

  it('reads nothing of a host that nobody knows', async () => {
    inbox.entries = [entry('1-0', 1, 2)];
    await intake.take('c'.repeat(64));
    expect([store.stored, inbox.entries.length]).toEqual([0, 1]);
  });
});
