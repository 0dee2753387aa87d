import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  LinkProxy,
  makeTestCertificates,
  startPostgres,
  type PostgresServer,
  type TestCertificates,
} from '#testing';
import { PostgresDatabase, type PostgresOptions } from './database.js';

const STEPS = ['CREATE TABLE hostward.t (a int PRIMARY KEY)', 'INSERT INTO hostward.t VALUES (1)'];

let server: PostgresServer;
let opened: PostgresDatabase[] = [];
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
afterEach(async () => {
  await Promise.all(opened.map((database) => database.close()));
  opened = [];
  server.sql('DROP SCHEMA IF EXISTS hostward CASCADE');
});

function open(over: Partial<PostgresOptions> = {}): PostgresDatabase {
  const place = { host: '127.0.0.1', port: server.port, database: 'hostward', user: 'hostward' };
  const password = () => server.password;
  const database = new PostgresDatabase({ ...place, password, migrations: STEPS, ...over });
  opened.push(database);
  return database;
}

const count = async (database: PostgresDatabase) =>
  Number((await database.query('SELECT count(*) FROM hostward.t')).rows[0]?.['count']);

describe('a database', () => {
  it('is migrated once by replicas that start at the same time, and step by step later', async () => {
    const first = STEPS.slice(0, 1);
    const replicas = Array.from({ length: 5 }, () => open({ migrations: first }));
    expect(await Promise.all(replicas.map(count))).toEqual([0, 0, 0, 0, 0]);
    const newer = Array.from({ length: 5 }, () => open());
    expect(await Promise.all(newer.map(count))).toEqual([1, 1, 1, 1, 1]);
    await expect(count(open({ migrations: first }))).rejects.toThrow(
      /database "hostward" has schema 2, this one knows 1: a newer version .* upgrade this replica/,
    );
  });

  it('has all of a step or nothing of it, and is tried again', async () => {
    const broken = open({ migrations: [...STEPS, 'INSERT INTO hostward.t VALUES (1)'] });
    await expect(count(broken)).rejects.toThrow(/duplicate key/);
    await expect(count(broken)).rejects.toThrow(/duplicate key/);
    expect(await count(open())).toBe(1);
  });

  it('has nothing of a transaction that fails, and its connections go on', async () => {
    const database = open();
    for (let i = 0; i < 15; i += 1) {
      const failing = database.transaction(async (query) => {
        await query('INSERT INTO hostward.t VALUES (2)');
        throw new Error('of the caller');
      });
      await expect(failing).rejects.toThrow(/of the caller/);
    }
    expect([await count(database), database.health().ok]).toEqual([1, true]);
  });

  it('is asked for our names alone, whatever others have put into a public schema', async () => {
    server.sql('CREATE TABLE public.t ()');
    await expect(open().query('SELECT * FROM t')).rejects.toThrow(/"t" does not exist/);
    server.sql('DROP TABLE public.t');
  });

  it('is refused where it would lose what it says it has', async () => {
    server.sql('ALTER ROLE hostward SET synchronous_commit = off');
    await expect(count(open())).rejects.toThrow(/synchronous_commit is off; set it to on/);
    server.sql('ALTER ROLE hostward RESET synchronous_commit');
  });
});

describe('a database that is another one than before', () => {
  it('is migrated where its schema is not there any more, without a restart of ours', async () => {
    const database = open();
    expect(await count(database)).toBe(1);
    server.sql('DROP SCHEMA hostward CASCADE');
    await expect(count(database)).rejects.toThrow(/does not exist/);
    expect(await count(database)).toBe(1);
  });

  it('goes on beside a newer version that has migrated it meanwhile, also once its connections had broken', async () => {
    const older = open({ migrations: STEPS.slice(0, 1) });
    expect(await count(older)).toBe(0);
    expect(await count(open())).toBe(1);
    await server.restart();
    await expect(count(older)).resolves.toBe(1);
    expect(older.health().ok).toBe(true);
  });

  it('is refused where it would lose what it says it has, once its connections had broken', async () => {
    const database = open();
    expect(await count(database)).toBe(1);
    server.sql('ALTER ROLE hostward SET synchronous_commit = off');
    await server.restart();
    await expect(count(database)).rejects.toThrow(/synchronous_commit is off; set it to on/);
    server.sql('ALTER ROLE hostward RESET synchronous_commit');
    expect(await count(database)).toBe(1);
  });
});

describe('a server', () => {
  it('that is away is told, and used again when it is back, after a stop and after a kill', async () => {
    const database = open();
    expect(await count(database)).toBe(1);
    for (const end of [() => server.halt(), () => server.kill9()]) {
      await end();
      await expect(count(database)).rejects.toThrow(/is away/);
      expect(database.health()).toMatchObject({ ok: false, detail: expect.stringMatching(/away/) });
      await server.restart();
      expect(await count(database)).toBe(1);
      expect(database.health().ok).toBe(true);
    }
  });

  it('that dies in the middle of a transaction has nothing of it', async () => {
    const database = open();
    const failing = database.transaction(async (query) => {
      await query('INSERT INTO hostward.t VALUES (2)');
      await server.kill9();
      await query('SELECT 1');
    });
    await expect(failing).rejects.toThrow(/is away/);
    await server.restart();
    expect(await count(database)).toBe(1);
  });

  it('that does not answer is told within a deadline, and holds up no end', async () => {
    const link = await LinkProxy.start(server.port);
    const database = open({ port: link.port, statementTimeoutMs: 1_000 });
    expect(await count(database)).toBe(1);
    link.stall();
    await expect(count(database)).rejects.toThrow(/is away: Query read timeout/);
    link.restore();
    expect(await count(database)).toBe(1);
    link.stall();
    const last = count(database).catch((error: unknown) => String(error));
    await database.close();
    await link.stop();
    expect(await last).toMatch(/away|pool/);
  });

  it('ends a statement and a transaction that take too long, so that they hold up no replica', async () => {
    const database = open({ statementTimeoutMs: 1_000 });
    await count(database);
    await expect(database.query('SELECT pg_sleep(60)')).rejects.toThrow(/statement timeout/);
    const idle = database.transaction(async (query) => {
      await query('LOCK TABLE hostward.t');
      // Another replica waits, and gets it although this one never ends.
      expect(await count(open())).toBe(1);
      await query('SELECT 1');
    });
    await expect(idle).rejects.toThrow(/idle-in-transaction timeout|is away/);
  });

  it.each<[string, Partial<PostgresOptions>, RegExp]>([
    [
      'a wrong password',
      { password: () => 'wrong-secret' },
      /user "hostward": .*; set the password/,
    ],
    ['no such role', { user: 'nobody' }, /user "nobody": /],
    ['no such database', { database: 'none' }, /database "none": .*; create it/],
    ['TLS that it has not', { ca: 'x' }, /does not support SSL connections; set ssl = on/],
  ])('refuses by name for %s, and no secret is told', async (_title, over, message) => {
    const database = open(over);
    await expect(database.query('SELECT 1')).rejects.toThrow(message);
    const { ok, detail } = database.health();
    expect([ok, detail]).toEqual([false, expect.stringMatching(message)]);
    expect(detail).not.toContain('wrong-secret');
  });

  it('takes a password that was changed at the next connection', async () => {
    let password = 'not yet';
    const database = open({ password: () => password });
    await expect(count(database)).rejects.toThrow(/password authentication failed/);
    password = server.password;
    expect(await count(database)).toBe(1);
  });
});

describe('a server with TLS', () => {
  let certificates: TestCertificates;
  let secured: PostgresServer;
  beforeAll(async () => {
    certificates = await makeTestCertificates();
    secured = await startPostgres({ tls: certificates });
  });
  afterAll(() => secured.stop());
  const login = () => ({ port: secured.port, password: () => secured.password });

  it('is used by its name or address, and the connection is encrypted', async () => {
    for (const host of ['127.0.0.1', 'localhost']) {
      const { rows } = await open({ ...login(), host, ca: certificates.ca }).query(
        'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      );
      expect(rows).toEqual([{ ssl: true }]);
    }
  });

  it('is refused under another authority, under a name that is not its own, and without TLS', async () => {
    const { ca } = await makeTestCertificates();
    const query = (over: Partial<PostgresOptions>) =>
      open({ ...login(), ...over }).query('SELECT 1');
    await expect(query({ ca })).rejects.toThrow(/certificate of 127\.0\.0\.1: .*see that ca/);
    const elsewhere = { host: '127.1', ca: certificates.ca };
    await expect(query(elsewhere)).rejects.toThrow(/certificate of 127\.1: .*host is a name in it/);
    await expect(query({})).rejects.toThrow(/user "hostward": no pg_hba\.conf entry/);
  });
});
