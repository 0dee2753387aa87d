import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SpoolFolder, allAlerts, entry, range } from '../testing/spools.js';
import { compareEventIds } from './event-id.js';
import type { Spool } from './spool.js';

/** Of a run whose clock was ahead. */
const CURSOR = '500000-0000000007';

let folder: SpoolFolder;
beforeEach(() => {
  folder = new SpoolFolder();
});
afterEach(() => folder.remove());

const waiting = async (spool: Spool): Promise<(string | undefined)[]> =>
  (await allAlerts(spool, spool.acknowledged)).map(({ Message }) => Message);

/** As the shipper hears it from an authenticated cursor. */
const hear = (spool: Spool, cursor: string): Promise<void> =>
  spool.isForeign(cursor) ? spool.startAbove(cursor) : spool.acknowledge(cursor);

/** Where nothing can be written but into what is there; returns what makes room. */
function full(...names: readonly string[]): () => void {
  const inTheWay = names.map((name) => join(folder.dir, name));
  for (const path of inTheWay) {
    rmSync(path, { force: true, recursive: true });
    mkdirSync(path);
  }
  return () => inTheWay.forEach((path) => rmSync(path, { recursive: true }));
}

describe('a spool whose alerts get ids above what the control plane has', () => {
  it('loses none and doubles none, wherever it is killed meanwhile', async () => {
    const spool = await folder.open({ segmentBytes: 1 });
    for (let n = 1; n <= 6; n += 1) await spool.append([entry(n)]);
    await spool.acknowledge((await spool.read('', 1))[0]?.EventID ?? '');
    const progress = { isOver: false };
    const over = spool.startAbove(CURSOR).then(() => (progress.isOver = true));
    const copies: string[] = [];
    for (;;) {
      const copy = join(folder.root, `killed-${copies.length}`);
      try {
        cpSync(folder.dir, copy, { recursive: true });
        copies.push(copy);
      } catch {
        // A file was removed while it was copied.
        rmSync(copy, { recursive: true, force: true });
      }
      if (progress.isOver) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await over;
    for (const dir of copies) {
      folder.dir = dir;
      const again = await folder.open({ now: () => 2000, segmentBytes: 1 });
      await hear(again, CURSOR);
      expect(await waiting(again)).toEqual([2, 3, 4, 5, 6].map((n) => `event ${n}`));
      const ids = (await allAlerts(again, again.acknowledged)).map(({ EventID }) => EventID);
      expect(ids.every((id) => compareEventIds(id, CURSOR) > 0)).toBe(true);
      await folder.close();
    }
  });

  it('has the same ones after a start, and forgets by them', async () => {
    const spool = await folder.open();
    await spool.append(range(1, 4));
    await spool.acknowledge('1000-0000000002');
    await spool.startAbove(CURSOR);
    await spool.startAbove('700000-0000000001');
    await spool.append([entry(5)]);
    const sent = await allAlerts(spool, spool.acknowledged);
    // The clock is beyond the cursors by then.
    const again = await folder.open({ now: () => 800_000 });
    expect(await allAlerts(again, again.acknowledged)).toEqual(sent);
    await again.append([entry(6)]);
    await again.acknowledge(sent[1]?.EventID ?? '');
    expect(await waiting(again)).toEqual(['event 5', 'event 6']);
    await again.acknowledge((await allAlerts(again)).at(-1)?.EventID ?? '');
    expect([folder.segments(), again.status().lost]).toEqual([[], 2]);
  });

  it('notes it in the reserve of a full disk', async () => {
    const spool = await folder.open();
    await spool.append(range(1, 2));
    full('meta.json');
    await spool.startAbove(CURSOR);
    const sent = await allAlerts(spool, CURSOR);
    expect(sent).toHaveLength(2);
    const again = await folder.open({ now: () => 600_000 });
    expect([again.acknowledged, await allAlerts(again, CURSOR)]).toEqual([CURSOR, sent]);
  });

  it('sends nothing under other ids of which a crash would leave no word', async () => {
    const spool = await folder.open();
    await spool.append(range(1, 2));
    const before = await allAlerts(spool);
    const makesRoom = full('meta.json', 'reserve');
    await expect(spool.startAbove(CURSOR)).rejects.toThrow('make room');
    expect([await allAlerts(spool), spool.isForeign(CURSOR)]).toEqual([before, true]);
    makesRoom();
    await spool.startAbove(CURSOR);
    expect(await waiting(spool)).toEqual(['event 1', 'event 2']);
  });

  it('goes on where nothing is on disk', async () => {
    const spool = await folder.open();
    full('1000-0000000001.seg', 'meta.json', 'reserve');
    await spool.append(range(1, 2));
    await spool.startAbove(CURSOR);
    expect((await allAlerts(spool, CURSOR)).map(({ Message }) => Message)).toEqual([
      'event 1',
      'event 2',
    ]);
  });
});

describe('a spool that was lost, or is an older copy', () => {
  it('takes nothing for sent by a cursor of before, also where the clock has passed it', async () => {
    // Of a run whose clock was ahead, which nobody knows of any more.
    await (await folder.open({ now: () => 2000 })).append(range(1, 2));
    await folder.close();
    const spool = await folder.open({ now: () => 600_000, segmentBytes: 1 });
    for (const each of range(3, 4)) await spool.append([each]);
    await hear(spool, CURSOR);
    const all = [1, 2, 3, 4].map((n) => `event ${n}`);
    expect([await waiting(spool), spool.status().lost]).toEqual([all, 1]);
    await spool.append([entry(5)]);
    const ids = (await allAlerts(spool, CURSOR)).map(({ EventID }) => EventID);
    expect(ids).toEqual([...ids].sort(compareEventIds));
    const again = await folder.open({ now: () => 700_000 });
    expect((await allAlerts(again, CURSOR)).map(({ EventID }) => EventID)).toEqual(ids);
    expect([again.isForeign(ids[4] ?? ''), again.status().lost]).toEqual([false, 1]);
    await again.acknowledge(ids[3] ?? '');
    expect(await waiting(again)).toEqual(['event 5']);
  });

  it('takes nothing for sent where the disk takes no word of it', async () => {
    await (await folder.open({ now: () => 2000 })).append([entry(1)]);
    await folder.close();
    const spool = await folder.open({ now: () => 600_000 });
    const makesRoom = full('meta.json', 'reserve');
    await expect(spool.startAbove(CURSOR)).rejects.toThrow('make room');
    expect([spool.isForeign(CURSOR), spool.status()]).toMatchObject([
      true,
      { waiting: 1, lost: 0 },
    ]);
    makesRoom();
    await hear(spool, CURSOR);
    expect(await waiting(spool)).toEqual(['event 1']);
  });

  it('repeats what waits in the copy rather than to lose it, and tells of one that is lost', async () => {
    await (await folder.open()).append(range(1, 2));
    await folder.close();
    const copy = join(folder.root, 'copy');
    cpSync(folder.dir, copy, { recursive: true });
    const later = await folder.open({ now: () => 5000 });
    await later.append([entry(3)]);
    const cursor = (await allAlerts(later)).at(-1)?.EventID ?? '';
    await folder.close();
    folder.dir = copy;
    const restored = await folder.open({ now: () => 7000 });
    await restored.append([entry(4)]);
    await hear(restored, cursor);
    expect(await waiting(restored)).toEqual([1, 2, 4].map((n) => `event ${n}`));
    expect(restored.status().lost).toBe(1);
    expect(restored.isForeign(cursor)).toBe(false);
  });

  it('forgets by a cursor of an earlier run that it knows of', async () => {
    await (await folder.open()).append(range(1, 2));
    await folder.close();
    const spool = await folder.open({ now: () => 7000 });
    await spool.append([entry(3)]);
    await hear(spool, '1000-0000000002');
    expect([await waiting(spool), spool.status().lost]).toEqual([['event 3'], 0]);
  });
});
