import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EtcdServer, LinkProxy, startEtcd, startEtcdCluster } from '#testing';
import { Etcd3 } from 'etcd3';
import { EtcdStore } from './etcd.store.js';
import type { Change, KeyValue, WatchMessage, WatchTimings } from './store-types.js';
import type { PrefixWatch } from './prefix-watch.js';

const PREFIX = '/hostward/v1/';
const TIMINGS: WatchTimings = { progressEveryMs: 200, silentAfterMs: 1_500, maxBackoffMs: 200 };

/** Collects everything a watch hands over and keeps the state that a consumer would have. */
class Consumer {
  readonly changes: Change[] = [];
  readonly snapshots: (readonly KeyValue[])[] = [];
  /** Of each snapshot whether it was said to be of another history. */
  readonly others: boolean[] = [];
  readonly state = new Map<string, string>();
  private waiting: (() => void)[] = [];
  private readonly running: Promise<void>;

  constructor(
    readonly watch: PrefixWatch,
    private readonly onMessage: (message: WatchMessage) => Promise<void> | void = () => undefined,
  ) {
    this.running = this.run();
  }

  async until(what: string, holds: () => boolean, timeoutMs = 60_000): Promise<void> {
    const deadline = AbortSignal.timeout(timeoutMs);
    while (!holds()) {
      if (deadline.aborted) {
        throw new Error(
          `${what}: ${this.changes.length} changes, ${JSON.stringify(this.watch.health(), (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v))}`,
        );
      }
      await Promise.race([
        new Promise<void>((resolve) => this.waiting.push(resolve)),
        new Promise<void>((resolve) => setTimeout(resolve, 20)),
      ]);
    }
  }

  async stop(): Promise<void> {
    this.watch.close();
    await this.running;
  }

  private async run(): Promise<void> {
    for await (const message of this.watch) {
      if (message.type === 'snapshot') {
        this.others.push(message.isOtherHistory);
        this.replace(message.items);
      } else message.changes.forEach((change) => this.apply(change));
      await this.onMessage(message);
      this.waiting.splice(0).forEach((resolve) => resolve());
    }
  }

  private replace(items: readonly KeyValue[]): void {
    this.snapshots.push(items);
    this.state.clear();
    for (const item of items) this.state.set(item.key, item.value.toString());
  }

  private apply(change: Change): void {
    this.changes.push(change);
    if (change.type === 'delete') this.state.delete(change.key);
    else this.state.set(change.key, change.value?.toString() ?? '');
  }
}

function key(index: number): string {
  return `${PREFIX}node/n${index.toString().padStart(5, '0')}`;
}

async function putMany(store: EtcdStore, from: number, to: number, value = 'x'): Promise<void> {
  for (let start = from; start < to; start += 50) {
    const end = Math.min(to, start + 50);
    await Promise.all(
      Array.from({ length: end - start }, (_, offset) =>
        store.transact({ then: [{ type: 'put', key: key(start + offset), value }] }),
      ),
    );
  }
}

/** Every key once, revisions never going back. */
function expectExactlyOnce(changes: readonly Change[], count: number): void {
  const revisions = changes.map((change) => change.modRevision);
  expect(changes).toHaveLength(count);
  expect(new Set(changes.map((change) => change.key)).size).toBe(count);
  expect(revisions.every((revision, i) => i === 0 || revision >= (revisions[i - 1] ?? 0n))).toBe(
    true,
  );
}

describe('a watch on one real etcd behind a link', () => {
  let etcd: EtcdServer;
  let link: LinkProxy;
  let writer: EtcdStore;
  let reader: EtcdStore;

  beforeEach(async () => {
    etcd = await startEtcd();
    link = await LinkProxy.start(etcd.port);
    writer = EtcdStore.connect({ hosts: [etcd.url] });
    reader = EtcdStore.connect({
      hosts: [`127.0.0.1:${link.port}`],
      watch: TIMINGS,
      callTimeoutMs: 1_000,
    });
  });

  afterEach(async () => {
    writer.close();
    reader.close();
    await link.stop();
    await etcd.stop();
  });

  it('begins with a snapshot and goes on with every change of a revision together', async () => {
    await putMany(writer, 0, 3);
    const consumer = new Consumer(reader.watch(PREFIX));
    await consumer.until('snapshot', () => consumer.snapshots.length === 1);
    expect(consumer.snapshots[0]).toHaveLength(3);
    await writer.transact({
      then: [
        { type: 'put', key: key(3), value: 'a' },
        { type: 'delete', key: key(0) },
      ],
    });
    await consumer.until('both changes', () => consumer.changes.length === 2);
    expect(consumer.changes.map(({ type }) => type).sort()).toEqual(['delete', 'put']);
    expect(new Set(consumer.changes.map((change) => change.modRevision)).size).toBe(1);
    await consumer.stop();
  });

  it('delivers 3,000 keys put while the link was cut, cut again after the first catch-up answer', async () => {
    const seen: number[] = [];
    const consumer = new Consumer(reader.watch(PREFIX), (message) => {
      if (message.type === 'changes') seen.push(message.changes.length);
    });
    await consumer.until('attached', () => consumer.watch.health().connected);
    link.cut();
    await consumer.until('disconnected', () => !consumer.watch.health().connected);
    await putMany(writer, 0, 3_000, 'v'.repeat(200));
    link.restore();
    // One answer of 1,000 events has about 250 kB: the second one is lost on the way.
    link.cutAfterBytes(400_000);
    await consumer.until('first answer', () => seen.length > 0);
    await consumer.until('second cut', () => !consumer.watch.health().connected);
    expect(consumer.changes.length).toBeGreaterThan(0);
    expect(consumer.changes.length).toBeLessThan(3_000);
    link.restore();
    await consumer.until('all', () => consumer.changes.length >= 3_000);
    await putMany(writer, 3_000, 3_001);
    await consumer.until('one more', () => consumer.changes.length >= 3_001);
    expectExactlyOnce(consumer.changes, 3_001);
    expect(consumer.snapshots).toHaveLength(1);
    await consumer.stop();
  });

  it('gives a silent stream up and loses nothing', async () => {
    const consumer = new Consumer(reader.watch(PREFIX));
    await consumer.until('attached', () => consumer.watch.health().connected);
    link.stall();
    await putMany(writer, 0, 500);
    await consumer.until('given up', () => consumer.watch.health().reconnects > 0);
    expect(consumer.watch.health().lastError).toMatch(/nothing for/);
    link.cut();
    link.restore();
    await consumer.until('all', () => consumer.changes.length >= 500);
    expectExactlyOnce(consumer.changes, 500);
    await consumer.stop();
  });

  it('stays on a quiet stream as long as etcd answers progress requests', async () => {
    // Longer than a busy machine keeps a program waiting.
    const silentAfterMs = 4_000;
    const patient = EtcdStore.connect({ hosts: [etcd.url], watch: { ...TIMINGS, silentAfterMs } });
    const consumer = new Consumer(patient.watch(PREFIX));
    await consumer.until('attached', () => consumer.watch.health().connected);
    const since = consumer.watch.health().lastProgressAt;
    // A clock that is set cannot make a silent watch look alive.
    expect(since).toBeLessThanOrEqual(performance.now());
    const quiet = () => consumer.watch.health().lastProgressAt > since + silentAfterMs + 500;
    await consumer.until('progress', quiet);
    expect(consumer.watch.health().reconnects).toBe(0);
    await consumer.stop();
    patient.close();
  });

  it('lists again after a compaction while it was away, and then goes on', async () => {
    await putMany(writer, 0, 100);
    const consumer = new Consumer(reader.watch(PREFIX));
    await consumer.until('attached', () => consumer.watch.health().connected);
    link.cut();
    await consumer.until('disconnected', () => !consumer.watch.health().connected);
    await writer.transact({ then: [{ type: 'delete', key: key(7) }] });
    await putMany(writer, 100, 200);
    await compact(etcd, await writer.revision());
    link.restore();
    await consumer.until('second snapshot', () => consumer.snapshots.length === 2);
    expect(consumer.snapshots[1]).toHaveLength(199);
    expect(consumer.others).toEqual([false, true]);
    await putMany(writer, 200, 300);
    await consumer.until('all after it', () => consumer.changes.length >= 100);
    expectExactlyOnce(consumer.changes, 100);
    expect(consumer.state.size).toBe(299);
    await consumer.stop();
  });

  it('goes on after a restart of etcd without a new snapshot', async () => {
    const consumer = new Consumer(reader.watch(PREFIX));
    await consumer.until('attached', () => consumer.watch.health().connected);
    await putMany(writer, 0, 100);
    await etcd.kill9();
    await etcd.restart();
    await writeUntilTaken(writer, 100);
    await putMany(writer, 101, 200);
    await consumer.until('all', () => consumer.changes.length >= 200);
    expectExactlyOnce(consumer.changes, 200);
    expect(consumer.snapshots).toHaveLength(1);
    await consumer.stop();
  });

  it('takes an etcd that lost its data for another history and lists again', async () => {
    const consumer = new Consumer(reader.watch(PREFIX));
    await consumer.until('attached', () => consumer.watch.health().connected);
    await putMany(writer, 0, 100);
    await consumer.until('all', () => consumer.changes.length >= 100);
    await etcd.halt();
    etcd.wipe();
    await etcd.restart();
    await consumer.until('second snapshot', () => consumer.snapshots.length === 2);
    expect(consumer.state.size).toBe(0);
    expect(consumer.others).toEqual([false, true]);
    await writeUntilTaken(writer, 500);
    await consumer.until('the new key', () => consumer.state.has(key(500)));
    await consumer.stop();
  });

  it('takes a restored etcd for another history, also where that is past what was handed over', async () => {
    await putMany(writer, 0, 100);
    const backup = join(mkdtempSync(join(tmpdir(), 'hw-watch-')), 'db');
    const save = [`--endpoints=${etcd.url}`, 'snapshot', 'save', backup];
    execFileSync('etcdctl', save, { stdio: 'ignore' });
    await putMany(writer, 100, 105);
    const consumer = new Consumer(reader.watch(PREFIX));
    await consumer.until('attached', () => consumer.watch.health().connected);
    link.cut();
    await consumer.until('disconnected', () => !consumer.watch.health().connected);
    await etcd.halt();
    etcd.restore(backup);
    await etcd.restart();
    await writeUntilTaken(writer, 200);
    await putMany(writer, 201, 210);
    link.restore();
    await consumer.until('second snapshot', () => consumer.snapshots.length === 2);
    expect(consumer.others).toEqual([false, true]);
    expect([...consumer.state.keys()].sort()).toEqual(
      (await writer.list(PREFIX)).items.map((item) => item.key).sort(),
    );
    await consumer.stop();
    rmSync(dirname(backup), { recursive: true });
  });

  it('connects by itself when etcd comes up after the watch was made', async () => {
    await etcd.halt();
    const consumer = new Consumer(reader.watch(PREFIX));
    await consumer.until('failures', () => consumer.watch.health().reconnects > 2);
    expect(consumer.watch.health().connected).toBe(false);
    await etcd.restart();
    await consumer.until('snapshot', () => consumer.snapshots.length === 1);
    await putMany(writer, 0, 10);
    await consumer.until('all', () => consumer.changes.length >= 10);
    await consumer.stop();
  });

  it('hands over a change set of 5 MB and 3,000 keys whole, after a cut too', async () => {
    const consumer = new Consumer(reader.watch(PREFIX), (message) => {
      if (message.type === 'changes') expect(message.changes).toHaveLength(3_000);
    });
    await consumer.until('attached', () => consumer.watch.health().connected);
    link.cut();
    const value = 'v'.repeat(1_700);
    const then = Array.from(
      { length: 3_000 },
      (_, i) => ({ type: 'put', key: key(i), value }) as const,
    );
    const result = await writer.transact({ then });
    expect(result).toMatchObject({ succeeded: true, form: 'staged' });
    link.restore();
    await consumer.until('all', () => consumer.changes.length >= 3_000);
    expectExactlyOnce(consumer.changes, 3_000);
    expect(new Set(consumer.state.values())).toEqual(new Set([value]));
    await consumer.stop();
  });

  it('puts fragments of one large revision together', async () => {
    const consumer = new Consumer(reader.watch(PREFIX));
    await consumer.until('attached', () => consumer.watch.health().connected);
    link.cut();
    const value = 'v'.repeat(1_400_000);
    for (let i = 0; i < 6; i += 1) {
      await writer.transact({
        then: [
          { type: 'put', key: key(2 * i), value },
          { type: 'put', key: key(2 * i + 1), value: 'small' },
        ],
      });
    }
    link.restore();
    await consumer.until('all', () => consumer.changes.length >= 12);
    expectExactlyOnce(consumer.changes, 12);
    expect(consumer.state.get(key(10))).toBe(value);
    await consumer.stop();
  });

  it('ends at once when closed in the middle of a wait', async () => {
    link.cut();
    const consumer = new Consumer(reader.watch(PREFIX));
    await consumer.until('failure', () => consumer.watch.health().reconnects > 0);
    await consumer.stop();
    expect(consumer.snapshots).toHaveLength(0);
  });
});

describe('a watch on a cluster of three', () => {
  it('loses and repeats nothing when the leader is killed in the middle of writing', async () => {
    const members = await startEtcdCluster(3);
    const hosts = members.map((member) => member.url);
    const writer = EtcdStore.connect({ hosts, callTimeoutMs: 8_000 });
    const watcher = EtcdStore.connect({ hosts, watch: TIMINGS, callTimeoutMs: 4_000 });
    try {
      const consumer = new Consumer(watcher.watch(PREFIX));
      await consumer.until('attached', () => consumer.watch.health().connected);
      const leader = await findLeader(members);
      const written = writeThroughFailures(writer, 600, async (index) => {
        if (index === 200) await leader.kill9();
      });
      const keys = await written;
      await consumer.until('all', () => consumer.state.size >= keys.size);
      const revisions = consumer.changes.map((change) => change.modRevision);
      expect(new Set(revisions).size).toBe(revisions.length);
      const listed = await writer.list(PREFIX);
      const last = new Map(consumer.changes.map((change) => [change.key, change.modRevision]));
      expect(consumer.snapshots).toHaveLength(1);
      expect(consumer.changes).toHaveLength(
        listed.items.reduce((sum, item) => sum + Number(item.version), 0),
      );
      for (const item of listed.items) expect(last.get(item.key)).toBe(item.modRevision);
      await consumer.stop();
    } finally {
      writer.close();
      watcher.close();
      await Promise.all(members.map((member) => member.stop()));
    }
  });
});

async function compact(etcd: EtcdServer, revision: bigint): Promise<void> {
  const raw = new Etcd3({ hosts: etcd.url });
  await raw.kv.compact({ revision: revision.toString(), physical: true });
  raw.close();
}

/** With `once`, a write of unknown outcome is not made twice. */
async function writeUntilTaken(store: EtcdStore, index: number, once = true): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      const then = [{ type: 'put', key: key(index), value: 'x' }] as const;
      await store.transact({ if: once ? [{ key: key(index), exists: false }] : [], then });
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/** A write of unknown outcome is repeated: that is one version more of the key, and both must be seen. */
async function writeThroughFailures(
  store: EtcdStore,
  count: number,
  before: (index: number) => Promise<void>,
): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  for (let index = 0; index < count; index += 1) {
    await before(index);
    await writeUntilTaken(store, index, false);
    keys.add(key(index));
  }
  return keys;
}

async function findLeader(members: readonly EtcdServer[]): Promise<EtcdServer> {
  for (const member of members) {
    const store = EtcdStore.connect({ hosts: [member.url] });
    const status = await store.status();
    store.close();
    if (status.leader === status.member) return member;
  }
  throw new Error('no member is the leader');
}
