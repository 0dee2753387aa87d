import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { Log } from '#observability';
import { OneStore } from './one-store.js';
import { REPLICA_TTL_MS } from './replicas.js';

const LONG_MS = 3 * REPLICA_TTL_MS;

/** A replica whose store is in files, or in the database that `ask` names; `others` are there from the start. */
function replica(others: Readonly<Record<string, string>>, ask?: () => Promise<string>) {
  const replicas = {
    others: new Map(Object.entries(others)),
    said: [] as string[],
    say: (word: string) => void replicas.said.push(word),
  };
  const store = new OneStore(replicas, new Log({ write: () => undefined }), ask);
  /** Looks, and so long after it again; what is wrong then. */
  const found = async (ms = LONG_MS): Promise<string> => {
    store.look(0);
    await setImmediate();
    store.look(1);
    store.look(1 + ms);
    const { ok, detail } = store.health();
    return ok ? '' : detail;
  };
  return { replicas, store, found };
}
const inDatabase = (id: string) => () => Promise.resolve(id);
const away = () => Promise.reject(new Error('away'));

describe('where replicas keep alerts and audit log', () => {
  it.each<[string, (() => Promise<string>) | undefined, Readonly<Record<string, string>>, string]>([
    ['files, and nobody else is there', undefined, {}, ''],
    ['files of each', undefined, { b: 'files' }, 'has files, b has files'],
    ['files and a database', undefined, { b: 'x' }, 'has files, b has a database'],
    ['files and what an older version does not say', undefined, { b: '' }, 'b has one of its own'],
    ['one database', inDatabase('x'), { b: 'x', c: 'x' }, ''],
    ['two', inDatabase('x'), { b: 'x', c: 'y' }, 'has a database, c has another database:'],
    ['a database and files', inDatabase('x'), { b: 'files' }, 'has a database, b has files'],
    ['a database and what an older version does not say', inDatabase('x'), { b: '' }, ''],
    ['a database that is away', away, { b: 'x' }, ''],
    ['a database that is away, and files', away, { b: 'files' }, 'b has files'],
  ])('is in %s', async (_title, ask, others, words) => {
    const found = await replica(others, ask).found();
    if (words === '') expect(found).toBe('');
    else expect(found).toContain(words);
  });

  it('is told to the others, of a database once it answers, which is then asked no more', async () => {
    const answers = [Promise.reject(new Error('away')), Promise.resolve('x')];
    const { replicas, store } = replica({}, () => answers.shift() ?? Promise.reject(new Error()));
    for (let turn = 0; turn < 4; turn += 1) {
      store.look(turn);
      await setImmediate();
    }
    expect(replicas.said.at(-1)).toBe('x');
    expect(replica({}).replicas.said).toEqual(['files']);
  });

  it('is nothing to tell of while it may be what one that was killed has left', async () => {
    expect(await replica({ b: 'files' }).found(2 * REPLICA_TTL_MS)).toBe('');
  });

  it('is told of once, and again when the other one has left or has come anew', () => {
    const { replicas, store } = replica({ b: 'files' });
    expect([store.look(0), store.look(LONG_MS), store.look(LONG_MS + 1)]).toEqual([
      ...[false, true, false],
    ]);
    replicas.others.clear();
    expect(store.look(LONG_MS + 2)).toBe(true);
    expect(store.health().ok).toBe(true);
    replicas.others.set('b', 'files');
    expect([store.look(2 * LONG_MS), store.look(3 * LONG_MS)]).toEqual([false, true]);
  });
});
