import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  generateSigningKey,
  loadSigner,
  openCursor,
  sealEvents,
  signRoot,
  trustRoot,
} from '#bundle';
import type { AlertBatch } from '#contracts';
import { Log } from '#observability';
import { SystemClock } from '../http/clock.js';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { Metrics } from '../health/metrics.js';
import { type CommitResult, Ledger } from '../store/ledger.js';
import { CloneService } from '../reports/clone.service.js';
import { HostInbox, type SealedEntry } from '../reports/host-inbox.js';
import { KnownHosts } from '../reports/known-hosts.js';
import { ReportCache } from '../reports/report-cache.js';
import { AlertNews } from './alert-news.js';
import {
  changes,
  nodeRecord,
  putChannelKey,
  putNode,
  putRevocation,
  snapshot,
  testKeks,
} from '../testing/records.js';
import { alertBatch } from '../testing/alerts.js';
import { eventually } from '../testing/eventually.js';
import { AlertStore, UnstorableBatch, type StoreOutcome } from './alert.store.js';
import { EventIntake } from './event-intake.js';

const NODE = 'a'.repeat(64);
const HOST_KEY = Buffer.alloc(32, 7);

class FakeInbox extends HostInbox {
  entries: SealedEntry[] = [];
  reads = 0;
  readsAtOnce = Infinity;
  /** So many entries are as large as what is read at once. */
  page = Infinity;
  cursor: Uint8Array | undefined;

  override start(): void {
    return undefined;
  }
  override readAll(): void {
    return undefined;
  }
  override isHeard(): boolean {
    return true;
  }
  override forget(): void {
    return undefined;
  }
  override signedStatuses(): Promise<ReadonlyMap<string, Uint8Array>> {
    return Promise.resolve(new Map());
  }
  override events(_: string, limit: number, after?: string): Promise<readonly SealedEntry[]> {
    this.reads += 1;
    const isBehind = ({ id }: SealedEntry): boolean => parseInt(id) > parseInt(after ?? '0');
    const found = this.entries.filter(isBehind).slice(0, Math.min(limit, this.page));
    return Promise.resolve(found);
  }
  override restMs(): number {
    return this.reads < this.readsAtOnce ? 0 : 700;
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

class NoLedger extends Ledger {
  override commit(): Promise<CommitResult> {
    return Promise.reject(new Error('nothing is to be written'));
  }
}

class FakeStore extends AlertStore {
  full = false;
  /** Nothing can be read of it. */
  unreadable = false;
  /** The last batch could not be stored. */
  failed = false;
  /** It refuses the batch that ends here. */
  unfit: string | undefined;
  /** It answers when this has resolved. */
  answering = Promise.resolve();
  stored = 0;
  last: string | undefined;

  override async add(_nodeId: string, batch: AlertBatch): Promise<StoreOutcome> {
    await this.answering;
    this.failed = this.full;
    if (this.full) throw new Error('database or disk is full');
    if (batch.last === this.unfit) throw new UnstorableBatch(new Error('too long for a column'));
    this.stored += batch.alerts.length;
    this.last = batch.last;
    return { stored: batch.alerts.length, duplicates: 0, last: batch.last };
  }
  override cursorOf(): Promise<string | undefined> {
    if (this.unreadable) return Promise.reject(new Error('database disk image is malformed'));
    return Promise.resolve(this.last);
  }

  override before(): Promise<readonly never[]> {
    return Promise.resolve([]);
  }
  override after(): Promise<readonly never[]> {
    return Promise.resolve([]);
  }
  override byEventId(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  override id(): Promise<string> {
    return Promise.resolve('00000000');
  }
  override lastId(): Promise<number> {
    return Promise.resolve(this.stored);
  }
  override health(): { ok: boolean; detail: string } {
    return { ok: !this.failed, detail: '' };
  }
  override retry(): Promise<void> {
    this.failed &&= this.full;
    return Promise.resolve();
  }
}

let inbox: FakeInbox;
let store: FakeStore;
let telemetryEvents: FakeStore;
let intake: EventIntake;
let fleet: Fleet;
let metrics: Metrics;
let logged: string[];
let nowMs: number;
afterEach(() => void jest.restoreAllMocks());
beforeEach(() => {
  nowMs = 1_000;
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  // The longest pauses.
  jest.spyOn(Math, 'random').mockReturnValue(0.999);
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
  const trust = new Trust(root, signer, { epochSecret: Buffer.alloc(32), keks: testKeks });
  fleet = new Fleet(testKeks);
  fleet.take(snapshot(5n, putNode(nodeRecord('web1', {}, NODE)), putChannelKey(NODE)));
  inbox = new FakeInbox();
  store = new FakeStore();
  telemetryEvents = new FakeStore();
  logged = [];
  const log = new Log({ write: (line) => logged.push(line) });
  const editor = new FleetEditor(fleet, new NoLedger(), trust);
  const [delivered, clock] = [new ReportCache(), new SystemClock()];
  metrics = new Metrics();
  const clones = new CloneService(fleet, editor, delivered, inbox, clock, metrics, log);
  const hosts = new KnownHosts(fleet, trust);
  const stores = [store, telemetryEvents] as const;
  intake = new EventIntake(inbox, hosts, clones, ...stores, new AlertNews(), metrics, log);
});

const sealed = (batch: object, nodeId = NODE) =>
  sealEvents(HOST_KEY, nodeId, Buffer.from(JSON.stringify(batch)));
const entry = (id: string, from: number, to: number, nodeId = NODE): SealedEntry => ({
  id,
  sealed: sealed(alertBatch('p', from, to), nodeId),
});
const watched = (id: string, from: number, to: number): SealedEntry => {
  const batch = alertBatch('p', from, to);
  const alerts = batch.alerts.map((each) => ({ ...each, Type: 'HostLog' as const }));
  return { id, sealed: sealed({ ...batch, kind: 'observed', alerts }) };
};
const cursor = () =>
  inbox.cursor &&
  (JSON.parse(openCursor(HOST_KEY, NODE, inbox.cursor).toString()) as { last: string }).last;

describe('the intake of events', () => {
  it('acknowledges and removes what the store has', async () => {
    inbox.entries = [entry('1-0', 1, 2), entry('2-0', 3, 4)];
    await intake.take(NODE);
    expect([store.stored, cursor(), inbox.entries]).toEqual([4, '1000-0000000004', []]);
  });

  it('keeps what was only watched apart, and acknowledges both kinds in one', async () => {
    inbox.entries = [entry('1-0', 1, 2), watched('2-0', 1, 3)];
    await intake.take(NODE);
    expect([store.stored, telemetryEvents.stored, inbox.entries]).toEqual([2, 3, []]);
    const told = openCursor(HOST_KEY, NODE, inbox.cursor ?? Buffer.alloc(0)).toString();
    expect(JSON.parse(told)).toEqual({
      v: 1,
      last: '1000-0000000002',
      observed: '1000-0000000003',
    });
  });

  it('stores alerts that lie behind what was only watched and cannot be stored, and that later', async () => {
    inbox.entries = [watched('1-0', 1, 3), entry('2-0', 1, 2), watched('3-0', 4, 5)];
    jest.spyOn(telemetryEvents, 'add').mockRejectedValueOnce(new Error('database or disk is full'));
    expect(await intake.take(NODE)).toBe(0);
    expect([store.stored, cursor(), telemetryEvents.stored]).toEqual([2, '1000-0000000002', 0]);
    expect(inbox.entries.map(({ id }) => id)).toEqual(['1-0', '3-0']);
    nowMs += 60_000;
    await intake.take(NODE);
    expect([telemetryEvents.stored, telemetryEvents.last]).toEqual([5, '1000-0000000005']);
    expect(inbox.entries).toEqual([]);
  });

  it.each([
    ['at once', Infinity],
    ['as its pace allows', 2],
  ])('finds alerts behind more of it than is read at once, %s', async (_, readsAtOnce) => {
    const large = [1, 2, 3, 4, 5, 6, 7].map((at) => watched(`${at}-0`, at, at));
    inbox.entries = [...large, entry('8-0', 1, 2)];
    inbox.page = 2;
    inbox.readsAtOnce = readsAtOnce;
    telemetryEvents.full = true;
    if (readsAtOnce < Infinity) expect([await intake.take(NODE), store.stored]).toEqual([700, 0]);
    inbox.readsAtOnce = Infinity;
    expect(await intake.take(NODE)).toBe(0);
    expect([store.stored, cursor(), inbox.entries]).toEqual([2, '1000-0000000002', large]);
    telemetryEvents.full = false;
    nowMs += 60_000;
    await intake.take(NODE);
    expect([telemetryEvents.stored, telemetryEvents.last]).toEqual([7, '1000-0000000007']);
    expect(inbox.entries).toEqual([]);
  });

  it('reads what was only watched and cannot be stored ever more rarely, and alerts behind it at once', async () => {
    inbox.entries = [watched('1-0', 1, 3)];
    telemetryEvents.full = true;
    const tries = jest.spyOn(telemetryEvents, 'add');
    await intake.take(NODE);
    // As the control plane does each second, for a quarter of an hour.
    for (let second = 1; second <= 900; second += 1) {
      nowMs += 1_000;
      for (const due of intake.due()) await intake.take(due);
    }
    expect(tries.mock.calls.length).toBeLessThan(30);
    tries.mockClear();
    inbox.reads = 0;
    inbox.entries.push(entry('2-0', 1, 2));
    expect(intake.due()).toEqual([]);
    await intake.take(NODE);
    expect([store.stored, cursor(), inbox.reads]).toEqual([2, '1000-0000000002', 2]);
    expect(tries).not.toHaveBeenCalled();
    telemetryEvents.full = false;
    nowMs += 60_000;
    for (const due of intake.due()) await intake.take(due);
    expect([telemetryEvents.stored, inbox.entries, intake.due()]).toEqual([3, [], []]);
  });

  it('says once that what was only watched cannot be stored or told of, and once that it can', async () => {
    telemetryEvents.full = true;
    telemetryEvents.unreadable = true;
    for (let look = 1; look <= 5; look += 1) {
      inbox.entries = [entry(`${look}-0`, look, look), watched('9-0', 1, 3)];
      await intake.take(NODE);
      nowMs += 60_000;
    }
    telemetryEvents.full = false;
    telemetryEvents.unreadable = false;
    await intake.take(NODE);
    const told = logged.map((line) => (JSON.parse(line) as { message: string }).message);
    expect(told).toEqual([
      'the store of what was only watched cannot be read',
      'what was only watched cannot be stored, and waits',
      'the store of what was only watched can be read again',
      'what was only watched is stored again',
    ]);
  });

  it('has alerts stored and acknowledged while the store of what was only watched does not answer', async () => {
    inbox.entries = [watched('1-0', 1, 3), entry('2-0', 1, 2)];
    const slow = Promise.withResolvers<void>();
    telemetryEvents.answering = slow.promise;
    const taken = intake.take(NODE);
    await eventually('acknowledged', () => cursor() === '1000-0000000002');
    expect([store.stored, inbox.entries.map(({ id }) => id)]).toEqual([2, ['1-0']]);
    slow.resolve();
    await taken;
    expect([telemetryEvents.stored, inbox.entries]).toEqual([3, []]);
  });

  it('has alerts acknowledged while the store of what was only watched cannot be read', async () => {
    inbox.entries = [entry('1-0', 1, 2)];
    telemetryEvents.unreadable = true;
    await intake.take(NODE);
    expect([store.stored, cursor(), inbox.entries]).toEqual([2, '1000-0000000002', []]);
  });

  it('refuses alerts that pass for what was only watched, and the other way round', async () => {
    const log = alertBatch('p', 1, 1).alerts.map((each) => ({ ...each, Type: 'HostLog' as const }));
    inbox.entries = [
      { id: '1-0', sealed: sealed({ ...alertBatch('p', 1, 2), kind: 'observed' }) },
      { id: '2-0', sealed: sealed({ ...alertBatch('p', 1, 1), alerts: log }) },
    ];
    await intake.take(NODE);
    expect([store.stored, telemetryEvents.stored, cursor()]).toEqual([0, 0, undefined]);
  });

  it('acknowledges nothing while the disk is full, and everything when it is not any more', async () => {
    inbox.entries = [entry('1-0', 1, 2)];
    store.full = true;
    await expect(intake.take(NODE)).rejects.toThrow('full');
    expect([cursor(), inbox.entries.length]).toEqual([undefined, 1]);
    store.full = false;
    await store.retry();
    await intake.take(NODE);
    expect([store.stored, cursor()]).toEqual([2, '1000-0000000002']);
  });

  it('reads nothing while it knows that the store takes nothing, and looks again later', async () => {
    inbox.entries = [entry('1-0', 1, 2)];
    store.full = true;
    await expect(intake.take(NODE)).rejects.toThrow('full');
    expect([await intake.take(NODE), inbox.reads]).toEqual([5_000, 1]);
    store.full = false;
    await store.retry();
    expect([await intake.take(NODE), store.stored]).toEqual([0, 2]);
  });

  it('acknowledges nothing before the store has said of every batch that it has it', async () => {
    inbox.entries = [entry('1-0', 1, 2), entry('2-0', 3, 4)];
    const slow = Promise.withResolvers<void>();
    store.answering = slow.promise;
    const taken = intake.take(NODE);
    await new Promise((resolve) => setImmediate(resolve));
    expect([cursor(), inbox.entries.length]).toEqual([undefined, 2]);
    slow.resolve();
    await taken;
    expect([store.stored, cursor(), inbox.entries]).toEqual([4, '1000-0000000004', []]);
  });

  it('drops what the host did not seal and takes what it did', async () => {
    const foreign = entry('1-0', 1, 2, 'b'.repeat(64));
    inbox.entries = [foreign, { id: '2-0', sealed: Buffer.from('nonsense') }, entry('3-0', 5, 5)];
    await intake.take(NODE);
    expect([store.stored, cursor(), inbox.entries]).toEqual([1, '1000-0000000005', []]);
  });

  it('drops what the store will never take, tells of it, and takes the others', async () => {
    store.unfit = '1000-0000000002';
    inbox.entries = [entry('1-0', 1, 2), entry('2-0', 3, 4)];
    await intake.take(NODE);
    expect([store.stored, inbox.entries]).toEqual([2, []]);
    const refused = await metrics.eventBatchesRefused.get();
    expect(refused.values).toMatchObject([{ labels: { reason: 'unstorable' }, value: 1 }]);
    expect(logged.join()).toMatch(/a batch of events was refused.*web1.*too long for a column/);
  });

  it('reads no more than the pace of the host allows, and says when to go on', async () => {
    inbox.entries = Array.from({ length: 120 }, (_, at) => entry(`${at + 1}-0`, at + 1, at + 1));
    inbox.readsAtOnce = 1;
    expect([await intake.take(NODE), store.stored, inbox.entries.length]).toEqual([700, 50, 70]);
    inbox.readsAtOnce = Infinity;
    expect([await intake.take(NODE), store.stored, inbox.entries]).toEqual([0, 120, []]);
  });

  it('writes no cursor where nothing could be read', async () => {
    inbox.entries = [{ id: '1-0', sealed: Buffer.alloc(0) }];
    await intake.take(NODE);
    expect([cursor(), inbox.entries]).toEqual([undefined, []]);
  });

  it('of two machines with one identity takes those of the one that counts, and acknowledges no others', async () => {
    const kept = { bootedAt: '2026-01-01T00:00:00.000Z', sequence: 40 };
    const refused = { bootedAt: '2026-01-02T00:00:00.000Z', sequence: 7 };
    const clone = { at: '2026-01-02T01:00:00.000Z', reason: 'two machines', kept, refused };
    fleet.take(changes(6n, [putNode({ ...nodeRecord('web1', {}, NODE), clone })]));
    const stranger = { bootedAt: '2026-01-03T00:00:00.000Z', sequence: 1 };
    inbox.entries = [refused, kept, stranger].map((run, at) => ({
      id: `${at + 1}-0`,
      sealed: sealed({ ...alertBatch('p', at * 2 + 1, at * 2 + 2), run }),
    }));
    await intake.take(NODE);
    expect([store.stored, cursor(), inbox.entries]).toEqual([2, '1000-0000000004', []]);
  });

  it('reads nothing of a host whose identity was revoked', async () => {
    inbox.entries = [entry('1-0', 1, 2)];
    fleet.take(changes(6n, [putRevocation('web1', NODE)]));
    await intake.take(NODE);
    expect([store.stored, cursor()]).toEqual([0, undefined]);
  });

  it('reads nothing of a host that nobody knows', async () => {
    inbox.entries = [entry('1-0', 1, 2)];
    await intake.take('c'.repeat(64));
    expect([store.stored, inbox.entries.length]).toEqual([0, 1]);
  });
});
