import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  brokenAuditLogAt,
  generateSigningKey,
  auditLogEntry,
  loadSigner,
  signAuditLogHead,
  type AuditLogEntry,
} from '#bundle';
import { EtcdStore, etcdKeys } from '#etcd';
import { parse } from 'yaml';
import { eventually } from '../e2e/support/eventually.js';
import { Product } from '../e2e/support/product.js';
import { withAuditLog } from './support/audit-log-database.js';

jest.setTimeout(300_000);

const HEAD = etcdKeys.auditLog('head');
let product: Product;
let etcd: EtcdStore;

beforeAll(async () => {
  product = await Product.up();
  const config = parse(await readFile(at('control-plane.yaml'), 'utf8')) as {
    etcd: { hosts: string[]; tls: { ca: string; cert: string; key: string } };
  };
  const { ca, cert, key } = config.etcd.tls;
  const read = async (path: string) => readFile(path);
  etcd = EtcdStore.connect({
    hosts: config.etcd.hosts,
    credentials: { ca: await read(ca), cert: await read(cert), key: await read(key) },
  });
  for (let i = 0; i < 8; i += 1) await act(i);
});
afterAll(async () => {
  etcd.close();
  await product.down();
});

const at = (name: string): string => join(product.dataDir, 'control-plane', name);

/** Something that the audit log tells. */
async function act(number: number): Promise<void> {
  const rest = await product.rest();
  const made = await rest.post('/v1/api-tokens', { name: `t${number}`, roles: ['viewer'] });
  expect(made.status).toBe(201);
}

const verify = () => product.cli(['audit-log', 'verify']);

async function expectBroken(seq: number): Promise<void> {
  const { code, stderr } = await verify();
  expect([code, stderr]).toEqual([1, expect.stringContaining(`first bad entry ${seq}:`)]);
}

/** Does something to the store behind the back of the control plane, sees what it does, and puts it back. */
async function tampered(text: string, look: () => Promise<void>): Promise<void> {
  const before = rows();
  withAuditLog(product, (db) => db.exec(text));
  try {
    await look();
  } finally {
    withAuditLog(product, (db) => {
      db.exec('DELETE FROM entries');
      const insert = db.prepare('INSERT INTO entries (seq, body, head) VALUES (?, ?, ?)');
      for (const { seq, body, head } of before) insert.run(seq, body, head);
    });
  }
  const { code, stderr } = await verify();
  expect([code, stderr]).toEqual([0, expect.any(String)]);
}

interface Row {
  readonly seq: number;
  readonly body: string;
  readonly head: string;
}

const rows = (): readonly Row[] =>
  withAuditLog(product, (db) =>
    db
      .prepare('SELECT seq, body, head FROM entries ORDER BY seq')
      .all()
      .map(({ seq, body, head }) => ({
        seq: Number(seq),
        body: String(body),
        head: String(head),
      })),
  );

/** The entries from `seq` on with another actor, and every hash computed anew. */
function rewritten(from: number): readonly AuditLogEntry[] {
  const entries = rows().map(({ body }) => JSON.parse(body) as AuditLogEntry);
  const made: AuditLogEntry[] = entries.filter(({ seq }) => seq < from);
  for (const { hash: _hash, ...content } of entries.filter(({ seq }) => seq >= from)) {
    const prev = made.at(-1)?.hash ?? content.prev;
    made.push(auditLogEntry({ ...content, actor: 'user/innocent', prev }));
  }
  expect(brokenAuditLogAt({ seq: 0, hash: '0'.repeat(64) }, made)).toBeUndefined();
  return made.filter(({ seq }) => seq >= from);
}

const update = (entries: readonly AuditLogEntry[], key?: string): string => {
  const signer = loadSigner(key ?? generateSigningKey().privateKey);
  return entries
    .map((entry) => {
      const head = signAuditLogHead({ v: 1, seq: entry.seq, hash: entry.hash, at: 1 }, signer);
      const values = [JSON.stringify(entry), JSON.stringify(head)].map((text) =>
        text.replaceAll("'", "''"),
      );
      return `UPDATE entries SET body = '${values[0]}', head = '${values[1]}' WHERE seq = ${entry.seq};`;
    })
    .join('\n');
};

describe('ATTACKER: who can write the store of the audit log', () => {
  it('is told apart from nobody: an untouched audit log is whole', async () => {
    const { code, stdout } = await verify();
    expect([code, stdout]).toEqual([0, expect.stringContaining('the audit log is whole')]);
  });

  it.each([
    [
      'edits an entry',
      "UPDATE entries SET body = replace(body, 'admin', 'nobody') WHERE seq = 4",
      4,
    ],
    ['makes an entry unreadable', "UPDATE entries SET body = 'x' WHERE seq = 5", 5],
    ['removes an entry from the middle', 'DELETE FROM entries WHERE seq = 3', 3],
    ['removes the first entries', 'DELETE FROM entries WHERE seq < 3', 1],
  ])('ATTACKER: %s: verify names it and ends with 1', async (_title, text, seq) => {
    await tampered(text, () => expectBroken(seq));
  });

  it('ATTACKER: cuts off the end: the signed head of the last run shows it', async () => {
    await tampered('DELETE FROM entries WHERE seq > 5', () => expectBroken(6));
  });

  it('ATTACKER: empties it', async () => {
    await tampered('DELETE FROM entries', () => expectBroken(1));
  });

  it('ATTACKER: computes all after an entry anew, signed by a key of theirs', async () => {
    await tampered(update(rewritten(4)), () => expectBroken(4));
  });

  it('ATTACKER: adds entries to the end that nobody wrote: they are not shown, and go aside', async () => {
    const last = JSON.parse(rows().at(-1)?.body ?? '') as AuditLogEntry;
    const { hash, ...content } = last;
    const forged = auditLogEntry({ ...content, seq: last.seq + 1, prev: hash, actor: 'user/x' });
    withAuditLog(product, (db) =>
      db
        .prepare('INSERT INTO entries (seq, body, head) VALUES (?, ?, ?)')
        .run(forged.seq, JSON.stringify(forged), rows().at(-1)?.head ?? ''),
    );
    expect((await (await product.rest()).get('/v1/audit-log')).text).not.toContain('user/x');
    await act(100);
    const { code, stderr } = await verify();
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(
      withAuditLog(product, (db) => db.prepare('SELECT count(*) AS n FROM set_aside').get()),
    ).toMatchObject({
      n: expect.any(Number),
    });
  });

  it('ATTACKER: with the online key too, signs a history made anew: the head of the last run shows it', async () => {
    const key = (await readFile(at('keys/online.key'), 'utf8')).trim();
    await verify();
    const kept = await etcd.get(HEAD);
    const made = rewritten(4);
    await tampered(update(made, key), async () => {
      await etcd.transact({
        then: [{ type: 'put', key: HEAD, value: JSON.stringify(made.at(-1)) }],
      });
      const { code, stderr } = await verify();
      expect([code, stderr]).toEqual([1, expect.stringContaining('the last run saw')]);
      await etcd.transact({ then: [{ type: 'put', key: HEAD, value: kept?.value ?? '' }] });
    });
  });
});

const LEVELS = `${'['.repeat(100)}${']'.repeat(100)}`;

/** An entry of the right shape of which no hash can be made, with this as the JSON of a detail. */
function unhashable(detail: string): string {
  const [prev, hash] = ['1', '2'].map((digit) => digit.repeat(64));
  const members = { v: 1, seq: 1_000, time: '2026-03-01T12:00:00.000Z', revision: '9', prev, hash };
  const told = { actor: 'user/x', source: '', action: 'apply', object: 'x', outcome: 'done' };
  return JSON.stringify({ ...members, ...told, detail: { it: 0 } }).replace('0}', `${detail}}`);
}

describe('ATTACKER: who can write etcd', () => {
  it.each([
    ['removes the head', undefined],
    ['writes nonsense as the head', 'nonsense'],
    ['sets the head back to an older entry', 3],
    ['writes an entry with half a character as the head', unhashable('"\\ud800"')],
    ['writes an entry with a number beyond all numbers as the head', unhashable('1e999')],
    ['writes an entry of a hundred levels as the head', unhashable(LEVELS)],
  ])(
    'ATTACKER: %s: the audit log goes on after what was signed, and says so',
    async (_title, value) => {
      const before = rows().length;
      const older = rows().find(({ seq }) => seq === value)?.body;
      await etcd.transact({
        then: [
          value === undefined
            ? { type: 'delete', key: HEAD }
            : { type: 'put', key: HEAD, value: older ?? String(value) },
        ],
      });
      await act(200);
      const { code, stderr } = await verify();
      expect([code, stderr]).toEqual([
        0,
        expect.stringContaining('the head in etcd was not where'),
      ]);
      expect(rows().length).toBe(before + 2);
      expect(
        rows()
          .map(({ body }) => body)
          .join('\n'),
      ).toContain('audit-log.resumed');
    },
  );
});

describe('a control plane that is killed while it writes', () => {
  it('has a whole audit log after each of some kills, with every change that was answered', async () => {
    const answered: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const rest = await product.rest();
      let stop = false;
      const writers = [0, 1, 2, 3].map(async (writer) => {
        for (let i = 0; !stop && i < 1_000; i += 1) {
          const name = `k${round}-${writer}-${i}`;
          const body = { name, roles: ['viewer'] };
          const made = await rest.post('/v1/api-tokens', body).catch(() => undefined);
          if (made?.status === 201) answered.push(String(made.body['id']));
        }
      });
      const goal = answered.length + 20;
      await eventually('some writes', 60_000, () => Promise.resolve(answered.length > goal));
      await product.signal('control plane', 'SIGKILL');
      stop = true;
      await Promise.all(writers);
      await eventually('ready again', 60_000, async () => {
        return (await product.readiness()).status === 200;
      });
      const { code, stderr } = await verify();
      expect([code, stderr]).toEqual([0, expect.any(String)]);
    }
    const told = rows()
      .map(({ body }) => JSON.parse(body) as AuditLogEntry)
      .map(({ object }) => object);
    expect(answered.filter((id) => !told.includes(id))).toEqual([]);
  });
});
