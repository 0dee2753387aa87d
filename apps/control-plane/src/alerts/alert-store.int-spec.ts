import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { PostgresDatabase, type Query } from '#postgresql';
import { ALERT_NODE as NODE, alert, batchOf as batch } from '../testing/alerts.js';
import { PostgresPlace, SqlitePlace, type StorePlace } from '../testing/store-places.js';
import {
  UnstorableBatch,
  type AlertFilter,
  type AlertStore,
  type StoredAlert,
} from './alert.store.js';
import { alertQuery } from './sqlite-alert-query.js';

const OTHER = 'b'.repeat(64);
const ids = (found: readonly StoredAlert[]) => found.map((each) => each.alert.EventID);
const numbered = (start: number, count: number) =>
  batch(...Array.from({ length: count }, (_, index) => alert(`${start}-${index + 1}`)));

function usePlace(place: StorePlace): void {
  beforeAll(() => place.start());
  afterAll(() => place.stop());
  beforeEach(() => place.empty());
  afterEach(() => place.close());
}

describe.each<[string, StorePlace]>([
  ['SQLite', new SqlitePlace()],
  ['PostgreSQL', new PostgresPlace()],
])('the store of alerts in %s', (_title, place) => {
  usePlace(place);
  let store: AlertStore;
  beforeEach(() => {
    store = place.alerts(5);
  });

  it('keeps an event once, however often it is sent, and says up to where it has everything', async () => {
    const all = { stored: 2, duplicates: 0, last: '1-2' };
    expect(await store.add(NODE, batch(alert('1-1'), alert('1-2')))).toEqual(all);
    const half = { stored: 1, duplicates: 1, last: '1-3' };
    expect(await store.add(NODE, batch(alert('1-2'), alert('1-3')))).toEqual(half);
    const none = { stored: 0, duplicates: 1, last: '1-3' };
    expect(await store.add(NODE, batch(alert('1-1')))).toEqual(none);
    expect(await store.add(OTHER, batch(alert('1-1')))).toMatchObject({ stored: 1 });
    expect(await store.cursorOf(NODE)).toBe('1-3');
    expect(await store.cursorOf('c'.repeat(64))).toBeUndefined();
  });

  it('keeps an event once that two replicas take at the same time', async () => {
    const replicas = [place.alerts(500), place.alerts(500), place.alerts(500)];
    for (let start = 1; start <= 10; start += 1) {
      const taken = await Promise.all(replicas.map((each) => each.add(NODE, numbered(start, 20))));
      expect(taken.reduce((sum, { stored }) => sum + stored, 0)).toBe(20);
      expect(taken.map(({ last }) => last)).toEqual(replicas.map(() => `${start}-20`));
    }
    expect(await store.after({}, 0, 1_000)).toHaveLength(200);
  });

  it('survives being opened again', async () => {
    await store.add(NODE, batch(alert('1-1')));
    const again = place.alerts(5);
    expect(await again.add(NODE, batch(alert('1-1')))).toMatchObject({ stored: 0 });
    expect(await again.lastId()).toBe(1);
    expect(await store.id()).toMatch(/^[0-9a-f]{8}$/);
    expect(await again.id()).toBe(await store.id());
  });

  it('is empty at first', async () => {
    expect([await store.lastId(), await store.before({}, undefined, 10)]).toEqual([0, []]);
  });

  it('answers by node, by policy, by time, by host, in pages both ways', async () => {
    const late = { UpdatedTime: '2026-03-02T00:00:00.000Z' };
    const two = [alert('1-1'), alert('1-2', { Node: 'db1' })] as const;
    await store.add(NODE, batch(...two, alert('1-3', { PolicyName: 'p2', ...late })));
    await store.add(OTHER, batch(alert('1-1')));
    expect(ids(await store.before({}, undefined, 2))).toEqual(['1-1', '1-3']);
    expect(ids(await store.before({}, 3, 2))).toEqual(['1-2', '1-1']);
    expect(ids(await store.after({}, 1, 2))).toEqual(['1-2', '1-3']);
    expect(ids(await store.before({ node: 'db1' }, undefined, 10))).toEqual(['1-2']);
    expect(ids(await store.before({ policy: "p2' OR 1=1" }, undefined, 10))).toEqual([]);
    expect(ids(await store.before({ policy: 'p2' }, undefined, 10))).toEqual(['1-3']);
    const since = Date.parse(late.UpdatedTime);
    expect(ids(await store.before({ sinceMs: since }, undefined, 10))).toEqual(['1-3']);
    expect(ids(await store.before({ nodeIds: [OTHER] }, undefined, 10))).toEqual(['1-1']);
    expect(ids(await store.before({ nodeIds: [] }, undefined, 10))).toEqual([]);
    const one = { node: 'web1', policy: 'block-sleep', sinceMs: 0, nodeIds: [NODE] };
    expect(ids(await store.after(one, 0, 10))).toEqual(['1-1']);
    expect((await store.byEventId('1-2', {}))?.alert.Node).toBe('db1');
    expect((await store.byEventId('1-1', {}))?.id).toBe(4);
    expect((await store.byEventId('1-1', { nodeIds: [NODE] }))?.id).toBe(1);
    expect(await store.byEventId('1-2', { node: 'web1' })).toBeUndefined();
  });

  it('keeps every text as it came', async () => {
    const told = { PolicyName: 'a\0b', Data: 'ü\0\u2028\ud800"\\', Resource: '\u{1f512}' };
    await store.add(NODE, batch(alert('1-1', told)));
    const [found] = await store.before({ policy: 'a\0b' }, undefined, 10);
    expect(found?.alert).toEqual(alert('1-1', told));
    expect(await store.byEventId('\0', {})).toBeUndefined();
  });

  it('keeps a bounded number and does not take pruned ones again', async () => {
    for (let number = 1; number <= 12; number += 1)
      await store.add(NODE, batch(alert(`1-${number}`)));
    const kept = await store.before({}, undefined, 100);
    expect(kept.length).toBeLessThanOrEqual(10);
    expect(kept[0]?.alert.EventID).toBe('1-12');
    const again = await store.add(NODE, batch(alert('1-1')));
    expect(again).toMatchObject({ stored: 0, last: '1-12' });
  });

  it('stores nothing of a batch that fails in the middle, and is none the worse for it', async () => {
    const broken = batch(alert('1-1'), { ...alert('1-2'), Node: undefined as unknown as string });
    await expect(store.add(NODE, broken)).rejects.toThrow(UnstorableBatch);
    expect(store.health().ok).toBe(true);
    expect([await store.lastId(), await store.after({}, 0, 10)]).toEqual([0, []]);
    expect(await store.add(NODE, batch(alert('1-1')))).toMatchObject({ stored: 1 });
    expect(store.health().ok).toBe(true);
  });

  it.each([1e17, 1e306, -1e306, 0.5, -1e-9])(
    'takes an alert of any time that a host says, as of %p',
    async (Timestamp) => {
      const told = alert('1-1', { UpdatedTime: 'never', Timestamp });
      expect(await store.add(NODE, batch(told))).toMatchObject({ stored: 1 });
      const found = await store.before({ sinceMs: 0 }, undefined, 10);
      expect([store.health().ok, found.length]).toEqual([true, Timestamp < -1 ? 0 : 1]);
    },
  );

  it('shows to who follows it every alert once, while several replicas store', async () => {
    const hosts = ['c', 'd', 'e'].map((letter) => letter.repeat(64));
    const seen: number[] = [];
    let writing = true;
    const follow = async (): Promise<void> => {
      for (let done = false; !done;) {
        done = !writing;
        const found = await store.after({}, seen.at(-1) ?? 0, 7);
        seen.push(...found.map(({ id }) => id));
        if (found.length > 0) done = false;
        await delay(1);
      }
    };
    const following = follow();
    const write = async (host: string): Promise<void> => {
      const replica = place.alerts(1_000);
      for (let start = 1; start <= 30; start += 1) await replica.add(host, numbered(start, 3));
    };
    await Promise.all(hosts.map(write));
    writing = false;
    await following;
    expect([seen.length, new Set(seen).size]).toEqual([270, 270]);
  });
});

/** Stops before it commits for as long as the test says. */
class Paused extends PostgresDatabase {
  readonly reached = Promise.withResolvers<void>();
  readonly go = Promise.withResolvers<void>();

  override transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return super.transaction(async (query) => {
      const result = await work(query);
      this.reached.resolve();
      await this.go.promise;
      return result;
    });
  }
}

/** Keeps how alerts were found last. */
class Explaining extends PostgresDatabase {
  plan = '';

  override async query(...[sql, values]: Parameters<Query>): ReturnType<Query> {
    if (!sql.startsWith('SELECT id, body')) return super.query(sql, values);
    const { rows } = await super.query(`EXPLAIN ${sql}`, values);
    this.plan = rows.map((row) => String(row['QUERY PLAN'])).join();
    return super.query(sql, values);
  }
}

const SINCE = Date.parse('2026-03-01T12:00:00.000Z');

/** One each second. */
const manyUntil = (lastMs: number, count = 20_000, part = 0) =>
  batch(
    ...Array.from({ length: count }, (_, index) => {
      const at = new Date(lastMs - (count - index) * 1_000);
      return alert(`1-${part * count + index + 1}`, { UpdatedTime: at.toISOString() });
    }),
  );

describe('alerts in SQLite', () => {
  const place = new SqlitePlace();
  usePlace(place);

  it('of a moment ago are found by their time, whatever lies before them', async () => {
    const store = place.alerts(100_000);
    await store.add(NODE, manyUntil(SINCE));
    const found = await store.before({ sinceMs: SINCE - 3_000 }, undefined, 10);
    expect(ids(found)).toEqual(['1-20000', '1-19999', '1-19998']);
    expect(ids(await store.before({ sinceMs: 0 }, 20_000, 2))).toEqual(['1-19999', '1-19998']);
    const after = await store.after({ sinceMs: SINCE - 3_000, node: 'web1' }, 19_998, 10);
    expect(ids(after)).toEqual(['1-19999', '1-20000']);
    const db = new DatabaseSync(join(place.folder, 'alerts.db'));
    const planOf = (filter: AlertFilter) => {
      const page = { from: 0, to: 8, order: 'DESC', limit: 10 } as const;
      const { sql, values } = alertQuery({ filter, ...page, byTime: true, byHost: false });
      return db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
    };
    const [few] = planOf({ sinceMs: 1 });
    const [scoped] = planOf({ sinceMs: 1, node: 'web1', nodeIds: [NODE] });
    db.close();
    for (const step of [few, scoped])
      expect(step?.['detail']).toMatch(/^SEARCH alerts USING INDEX alerts_by_time \(time_ms>/);
  });

  it('of the hosts of a scope are walked by their numbers, and sorted only where they are few', async () => {
    const store = place.alerts(100_000);
    await store.add(NODE, manyUntil(SINCE));
    await store.add(OTHER, numbered(2, 3));
    const prepare = jest.spyOn(DatabaseSync.prototype, 'prepare');
    const many = ids(await store.before({ nodeIds: [NODE] }, undefined, 2));
    const followed = ids(await store.after({ nodeIds: [OTHER] }, 20_001, 10));
    const few = ids(await store.before({ nodeIds: [OTHER] }, 20_003, 10));
    const asked = prepare.mock.calls.map(([sql]) => sql);
    prepare.mockRestore();
    expect([many, followed, few]).toEqual([
      ['1-20000', '1-19999'],
      ['2-2', '2-3'],
      ['2-2', '2-1'],
    ]);
    const db = new DatabaseSync(join(place.folder, 'alerts.db'));
    const plans = asked.map((sql) => db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all());
    db.close();
    const walked = 'SEARCH alerts USING INTEGER PRIMARY KEY (rowid';
    const ofHosts = 'INDEX sqlite_autoindex_alerts_1 (node_id=?)';
    const walk = ['SEARCH alerts', 'SEARCH alerts', `${walked}>? AND rowid<?)`];
    expect(plans.map(([first]) => first?.['detail'])).toEqual([
      `SEARCH alerts USING COVERING ${ofHosts}`,
      ...walk,
      ...walk,
      `SEARCH alerts USING COVERING ${ofHosts}`,
      `SEARCH alerts USING ${ofHosts}`,
    ]);
  });

  it('that are rare are walked to in parts, between which others have their turn', async () => {
    const store = place.alerts(100_000);
    const of = (policy: string, ...numbers: number[]) =>
      batch(...numbers.map((n) => alert(`2-${n}`, { PolicyName: policy })));
    await store.add(OTHER, of('rare', 1));
    for (let part = 0; part < 3; part += 1)
      await store.add(NODE, manyUntil(SINCE + part * 20_000_000, 20_000, part));
    await store.add(OTHER, of('rare', 2));
    let turns = 0;
    const counting = setInterval(() => (turns += 1), 0);
    const hosts = { nodeIds: [NODE, OTHER], policy: 'rare' };
    const found = [await store.before(hosts, undefined, 10), await store.after(hosts, 0, 10)];
    clearInterval(counting);
    expect(found.map(ids)).toEqual([
      ['2-2', '2-1'],
      ['2-1', '2-2'],
    ]);
    expect(turns).toBeGreaterThan(0);
  });

  it('are well again when it can be written again, though none comes', async () => {
    const store = place.alerts();
    const writer = new DatabaseSync(join(place.folder, 'alerts.db'));
    try {
      writer.exec('BEGIN IMMEDIATE');
      await expect(store.add(NODE, numbered(1, 1))).rejects.toThrow(/locked/);
      await store.retry();
      expect(store.health()).toMatchObject({ ok: false, detail: expect.stringMatching(/locked/) });
      writer.exec('ROLLBACK');
    } finally {
      writer.close();
    }
    await store.retry();
    expect([store.health().ok, await store.after({}, 0, 10)]).toEqual([true, []]);
    expect(await store.cursorOf('')).toBeUndefined();
    expect(await store.add(NODE, numbered(1, 1))).toMatchObject({ stored: 1 });
  });
});

describe('alerts in PostgreSQL', () => {
  const place = new PostgresPlace();
  usePlace(place);

  it('that are committed later never lie behind what a reader has passed', async () => {
    const paused = place.database(Paused) as Paused;
    const reader = place.alerts();
    const first = place.alerts(1_000, paused).add(NODE, numbered(1, 3));
    await paused.reached.promise;
    const second = place.alerts().add(OTHER, numbered(2, 3));
    const seen: StoredAlert[] = [];
    const read = async (): Promise<void> => {
      seen.push(...(await reader.after({}, seen.at(-1)?.id ?? 0, 100)));
    };
    // Time enough to overtake for a store that lets it.
    await Promise.race([second, delay(500)]);
    await read();
    paused.go.resolve();
    await Promise.all([first, second]);
    await read();
    expect(ids(seen)).toEqual(['1-1', '1-2', '1-3', '2-1', '2-2', '2-3']);
  });

  it('are all there, once, when the server is killed while they are stored', async () => {
    const store = place.alerts();
    const stored = new Set<string>();
    let kills = 0;
    for (let start = 1; start <= 60; start += 1) {
      const adding = store.add(NODE, numbered(start, 5)).catch(() => undefined);
      if (start % 20 === 10) {
        await delay(Math.random() * 3);
        await place.server.kill9();
        kills += 1;
        await place.server.restart();
      }
      const outcome = (await adding) ?? (await store.add(NODE, numbered(start, 5)));
      stored.add(outcome.last);
    }
    expect([kills, stored.size]).toEqual([3, 60]);
    const found = ids(await store.after({}, 0, 1_000));
    expect([found.length, new Set(found).size]).toEqual([300, 300]);
    expect(store.health().ok).toBe(true);
  });

  it('of a moment ago are found by their time, whatever lies before them', async () => {
    const database = place.database(Explaining) as Explaining;
    const store = place.alerts(100_000, database);
    await store.add(NODE, manyUntil(SINCE));
    place.sql('VACUUM ANALYZE hostward.alerts');
    expect(await store.before({ sinceMs: SINCE - 3_000 }, undefined, 10)).toHaveLength(3);
    expect(database.plan).toMatch(/alerts_by_time/);
    expect(await store.before({ sinceMs: 0 }, undefined, 10)).toHaveLength(10);
    expect(database.plan).toMatch(/Backward using alerts_pkey/);
  });

  it('are refused by name where the role may not write, until it may', async () => {
    const store = place.alerts();
    place.sql('REVOKE INSERT ON hostward.alerts FROM hostward');
    const refused = /user "hostward": permission denied .*; make the role the owner/;
    await expect(store.add(NODE, numbered(1, 1))).rejects.toThrow(refused);
    expect(store.health()).toMatchObject({ ok: false, detail: expect.stringMatching(refused) });
    await store.retry();
    expect(store.health()).toMatchObject({ ok: false, detail: expect.stringMatching(refused) });
    place.sql('GRANT INSERT ON hostward.alerts TO hostward');
    // Another replica may have stored the batch since, so that none comes.
    await store.retry();
    expect([store.health().ok, await store.after({}, 0, 10)]).toEqual([true, []]);
    expect(await store.add(NODE, numbered(1, 1))).toMatchObject({ stored: 1 });
  });

  it('that wait while it is away leave its health to it', async () => {
    const store = place.alerts();
    await place.server.halt();
    await expect(store.add(NODE, numbered(1, 1))).rejects.toThrow(/is away/);
    expect(store.health()).toMatchObject({ ok: false, detail: expect.stringContaining('away') });
    await place.server.restart();
    expect(await store.lastId()).toBe(0);
    expect(store.health().ok).toBe(true);
  });
});
