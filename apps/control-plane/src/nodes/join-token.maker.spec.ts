import { expect, it } from '@jest/globals';
import { etcdKeys, type Write } from '#etcd';
import { Log } from '#observability';
import { Clock } from '../http/clock.js';
import type { Fleet } from '../store/fleet.js';
import type { FleetEditor } from '../store/fleet-editor.js';
import { JoinTokenMaker } from './join-token.maker.js';
import type { JoinTokenRecord } from '../records/join-token.record.js';
import { JoinTokenStore, type JoinTokenPage } from './join-token.store.js';

const NOW = Date.parse('2026-03-01T12:00:00.000Z');
const DAY = 24 * 3_600_000;
const WISH = { labels: {}, uses: 1, ttlMs: 3_600_000, cidrs: [], groups: [] };

class NoonClock extends Clock {
  override nowMs(): number {
    return NOW;
  }
}

/** Tokens by the days for which they have been over, as etcd has them. */
class Tokens extends JoinTokenStore {
  constructor(private readonly days: readonly number[]) {
    super();
  }
  override get(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  override page(limit: number, after: string | undefined): Promise<JoinTokenPage> {
    const from = after === undefined ? 0 : Number(after) + 1;
    const items = this.days.slice(from, from + limit).map((days, at) => ({
      id: String(from + at),
      expiresAt: new Date(NOW - days * DAY).toISOString(),
    }));
    const more = from + limit < this.days.length;
    return Promise.resolve({ items: items as JoinTokenRecord[], more, revision: 1n });
  }
}

function makerOver(store: JoinTokenStore) {
  const deleted: string[] = [];
  const editor = {
    edit: (decide: () => { then: Write[] }) => {
      for (const write of decide().then) if (write.type === 'delete') deleted.push(write.key);
      return Promise.resolve(2n);
    },
  } as unknown as FleetEditor;
  const fleet = { read: () => undefined } as unknown as Fleet;
  const log = new Log({ write: () => undefined });
  return { maker: new JoinTokenMaker(editor, fleet, store, new NoonClock(), log), deleted };
}

it('a token that is made clears away others that were over a week ago, some at a time, and no more', async () => {
  const { maker, deleted } = makerOver(new Tokens([...Array<number>(19).fill(0), 8, 6, 9]));
  await maker.make(WISH);
  expect(deleted).toEqual([etcdKeys.joinToken('19')]);
  await maker.make(WISH);
  expect(deleted).toEqual([etcdKeys.joinToken('19'), etcdKeys.joinToken('21')]);
});

it('is made also where what stands there cannot be read', async () => {
  const broken = new Tokens([]);
  broken.page = () => Promise.reject(new Error('is not JSON'));
  const { maker, deleted } = makerOver(broken);
  expect(await maker.make(WISH)).toMatchObject({ token: expect.stringMatching(/^hwj_/) });
  expect(deleted).toEqual([]);
});
