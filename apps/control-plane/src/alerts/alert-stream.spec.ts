import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SqliteAlertStore } from './sqlite-alert.store.js';
import { ALERT_NODE, alert, batchOf } from '../testing/alerts.js';
import { AlertNews } from './alert-news.js';
import { readPosition } from './alert-position.js';
import { streamAlerts } from './alert-stream.js';
import { NewsOfOthers } from './news-of-others.js';

const HEARTBEAT_MS = 15_000;

/** A store into which somebody stores right after it was read. */
class LateQueryStore extends SqliteAlertStore {
  afterRead: (() => Promise<void>) | undefined;

  override async after(...args: Parameters<SqliteAlertStore['after']>) {
    const found = await super.after(...args);
    const [then] = [this.afterRead];
    this.afterRead = undefined;
    await then?.();
    return found;
  }
}

let store: LateQueryStore;
let news: AlertNews;
let others: NewsOfOthers;
let written: string[];
let end: AbortController;
let following: Promise<void>;
beforeEach(() => {
  jest.useFakeTimers();
  store = new LateQueryStore(':memory:', 100);
  news = new AlertNews();
  others = new NewsOfOthers(store, store, news);
  written = [];
  end = new AbortController();
});
afterEach(async () => {
  end.abort();
  await following;
  jest.useRealTimers();
  store.close();
});

const follow = (id = 0, name?: string): void => {
  const write = (text: string): Promise<void> => Promise.resolve(void written.push(text));
  const parts = { store, news, filter: {}, after: { store: name, id } };
  following = streamAlerts({ signal: end.signal, write }, parts);
};
const settle = () => jest.advanceTimersByTimeAsync(0);
const add = async (...eventIds: string[]): Promise<void> => {
  await store.add(ALERT_NODE, batchOf(...eventIds.map((id) => alert(id))));
};
const events = () => written.flatMap((text) => /"EventID":"([^"]+)"/.exec(text)?.[1] ?? []);

describe('a stream of alerts', () => {
  it('has what was there and what comes', async () => {
    await add('1-1', '1-2');
    follow();
    await settle();
    await add('1-3');
    news.tell();
    await settle();
    expect(events()).toEqual(['1-1', '1-2', '1-3']);
  });

  it('has at once what was stored and told between its look and its wait', async () => {
    store.afterRead = async () => {
      await add('1-1');
      news.tell();
    };
    follow();
    await settle();
    expect(events()).toEqual(['1-1']);
  });

  it('has what another replica stored at the next look, and not only at the next heartbeat', async () => {
    follow();
    await settle();
    await others.look();
    await settle();
    await add('1-1');
    await settle();
    expect(events()).toEqual([]);
    await others.look();
    await settle();
    expect(events()).toEqual(['1-1']);
    expect(written.filter((text) => text.includes('still here'))).toEqual([]);
  });

  it('begins at the end of a store whose numbers begin anew, and says so', async () => {
    await add('1-1', '1-2');
    follow(3_000_000);
    await settle();
    expect(written.at(-1)).toBe(
      `id: ${await store.id()}-2\nevent: reset\ndata: {"after":3000000,"last":2}\n\n`,
    );
    await add('1-3');
    news.tell();
    await settle();
    expect(events()).toEqual(['1-3']);
  });

  it('says so too where the numbers of another store had not come that far', async () => {
    await add('1-1', '1-2');
    follow(1, '0000abcd');
    await settle();
    await add('1-3');
    news.tell();
    await settle();
    expect(written.filter((text) => text.includes('event: reset'))).toEqual([
      `id: ${await store.id()}-2\nevent: reset\ndata: {"after":1,"last":2}\n\n`,
    ]);
    expect(events()).toEqual(['1-3']);
  });

  it.each(['of this store', 'of a version before'])(
    'goes on after a number %s, and gives it back with the store',
    async (whose) => {
      await add('1-1', '1-2');
      follow(1, whose === 'of this store' ? await store.id() : undefined);
      await settle();
      expect(events()).toEqual(['1-2']);
      const last = /^id: (.*)$/m.exec(written.at(-1) ?? '')?.[1] ?? '';
      expect(readPosition(last)).toEqual({ store: await store.id(), id: 2 });
    },
  );

  it('says that it is still there where there is no news', async () => {
    follow();
    await jest.advanceTimersByTimeAsync(HEARTBEAT_MS);
    expect(written.at(-1)).toBe(`id: ${await store.id()}-0\n: still here\n\n`);
  });
});

describe('a look for alerts of other replicas', () => {
  it('asks nothing of the store while nobody follows', async () => {
    following = Promise.resolve();
    const asked = jest.spyOn(store, 'lastId').mockRejectedValue(new Error('away'));
    await others.look();
    expect(asked).not.toHaveBeenCalled();
    follow();
    void following.catch(() => undefined);
    const waiting = news.next(news.told, 1, end.signal);
    await expect(others.look()).rejects.toThrow('away');
    expect(asked).toHaveBeenCalled();
    end.abort();
    await waiting;
    following = following.catch(() => undefined);
  });
});
