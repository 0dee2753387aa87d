import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { SpoolFolder, allAlerts, entry, range } from '../testing/spools.js';
import { compareEventIds } from './event-id.js';
import { Spool, type SpoolOptions } from './spool.js';

let folder: SpoolFolder;
beforeEach(() => {
  folder = new SpoolFolder();
});
afterEach(() => folder.remove());

const openSpool = (options?: Partial<SpoolOptions>): Promise<Spool> => folder.open(options);

const messages = async (spool: Spool, after = ''): Promise<(string | undefined)[]> =>
  (await spool.read(after, 1000)).map((alert) => alert.Message);
const segments = (): string[] => folder.segments();

describe('the spool', () => {
  it('keeps alerts in order over a restart and goes on with greater ids', async () => {
    const first = await openSpool();
    await first.append(range(1, 3));
    await first.close();
    const second = await openSpool();
    await second.append(range(4, 5));
    expect(await messages(second)).toEqual(['event 1', 'event 2', 'event 3']);
    const third = (await second.read('', 10)).at(-1)?.EventID ?? '';
    expect(await messages(second, third)).toEqual(['event 4', 'event 5']);
    expect(second.sensorSequence).toBe(5);
    await second.close();
  });

  it('keeps ids growing when the clock has gone back', async () => {
    const first = await openSpool({ now: () => 5_000_000 });
    await first.append([entry(1)]);
    await first.close();
    const second = await openSpool({ now: () => 10 });
    await second.append([entry(2)]);
    expect((await second.read('5000000-1', 10)).map((alert) => alert.Message)).toEqual(['event 2']);
    await second.close();
  });

  it('forgets only what the cursor has passed, whole segments at once, also after a restart', async () => {
    const spool = await openSpool({ segmentBytes: 1000 });
    for (let i = 1; i <= 10; i += 1) await spool.append([entry(i)]);
    const before = segments().length;
    const fifth = (await allAlerts(spool))[4]?.EventID ?? '';
    await spool.acknowledge(fifth);
    expect(segments().length).toBeLessThan(before);
    await spool.close();
    const again = await openSpool({ segmentBytes: 1000 });
    expect(again.acknowledged).toBe(fifth);
    expect((await allAlerts(again, fifth)).map((alert) => alert.Message)).toEqual(
      [6, 7, 8, 9, 10].map((n) => `event ${n}`),
    );
    await again.close();
  });

  it('ignores a cursor that goes back or beyond what was ever given out', async () => {
    const spool = await openSpool();
    await spool.append(range(1, 3));
    const ids = (await spool.read('', 10)).map((alert) => alert.EventID);
    await spool.acknowledge('99999999999-1');
    await spool.acknowledge('garbage');
    expect(await messages(spool)).toHaveLength(3);
    await spool.acknowledge(ids[1] ?? '');
    await spool.acknowledge(ids[0] ?? '');
    expect(spool.acknowledged).toBe(ids[1]);
    await spool.close();
  });

  it('takes nothing new when full, counts every one it did not take, and takes again after the cursor', async () => {
    const spool = await openSpool({ maxBytes: 4096, segmentBytes: 1024 });
    for (let i = 1; i <= 20; i += 1) await spool.append([entry(i)]);
    const kept = (await allAlerts(spool)).length;
    expect(kept).toBeGreaterThan(4);
    expect(spool.status().lost).toBe(20 - kept);
    expect(spool.status().failure).toContain('4096 bytes');
    await spool.acknowledge((await allAlerts(spool)).at(-1)?.EventID ?? '');
    await spool.append([entry(21)]);
    expect(await messages(spool)).toContain('event 21');
    expect(spool.status().failure).toBeUndefined();
    await spool.close();
    const again = await openSpool();
    expect(again.status().lost).toBe(20 - kept);
    await again.close();
  });

  it('keeps alerts in memory while the disk fails, readable, and writes them when it is back', async () => {
    const spool = await openSpool({ segmentBytes: 1 });
    await spool.append([entry(1)]);
    renameSync(folder.dir, `${folder.dir}.away`);
    writeFileSync(folder.dir, '');
    await spool.append(range(2, 3));
    expect(spool.status().failure).toBeDefined();
    rmSync(folder.dir);
    renameSync(`${folder.dir}.away`, folder.dir);
    expect((await allAlerts(spool)).map((alert) => alert.Message)).toEqual([
      'event 1',
      'event 2',
      'event 3',
    ]);
    await spool.append([entry(4)]);
    expect(spool.status()).toMatchObject({ lost: 0, waiting: 4 });
    expect(spool.status().failure).toBeUndefined();
    await spool.close();
    const again = await openSpool();
    expect(await allAlerts(again)).toHaveLength(4);
    await again.close();
  });

  it('asks the sensor for nothing twice after a disk that let files be removed and none be written', async () => {
    const meta = join(folder.dir, 'meta.json');
    mkdirSync(meta, { recursive: true });
    const spool = await openSpool();
    await spool.append(range(1, 7));
    const sent = (await spool.read('', 10)).at(-1)?.EventID ?? '';
    await spool.acknowledge(sent);
    expect(spool.status().waiting).toBe(0);
    const again = await openSpool({ now: () => 2000 });
    expect(again.sensorSequence).toBe(7);
    expect((await again.read('', 10)).at(-1)?.EventID).toBe(sent);
    rmSync(meta, { recursive: true });
    const last = await openSpool({ now: () => 3000 });
    expect([segments(), last.sensorSequence, last.acknowledged]).toEqual([[], 7, sent]);
  });

  it.each(['a kill', 'a stop'])(
    'asks the sensor again, after %s, for what the disk did not take, nor had a reserve for, though it took the figures',
    async (end) => {
      mkdirSync(join(folder.dir, 'reserve'), { recursive: true });
      const spool = await openSpool();
      await spool.append(range(1, 2));
      await spool.close();
      const full = await openSpool({ now: () => 2000 });
      // In the segment's place nothing can be written; the figures can.
      mkdirSync(join(folder.dir, '2000-0000000001.seg'));
      await full.append(range(3, 5));
      expect(full.status().failure).toContain('told again');
      if (end === 'a stop') await full.close();
      rmSync(join(folder.dir, '2000-0000000001.seg'), { recursive: true });
      const again = await openSpool({ now: () => 3000 });
      expect([again.sensorSequence, again.status()]).toEqual([
        2,
        expect.objectContaining({ waiting: 2, lost: 0 }),
      ]);
    },
  );

  it('asks the sensor for nothing twice that the control plane had out of memory while the disk was full and had no reserve', async () => {
    mkdirSync(join(folder.dir, 'reserve'), { recursive: true });
    const full = await openSpool();
    // Of what would be written first, before and after the cursor.
    const inTheWay = ['1000-0000000001.seg', '1000-0000000004.seg'].map((name) =>
      join(folder.dir, name),
    );
    inTheWay.forEach((path) => mkdirSync(path));
    await full.append(range(1, 4));
    const sent = (await full.read('', 3)).at(-1)?.EventID ?? '';
    await full.acknowledge(sent);
    await full.append([entry(5)]);
    inTheWay.forEach((path) => rmSync(path, { recursive: true }));
    expect((await openSpool({ now: () => 2000 })).sensorSequence).toBe(3);
  });

  it('asks the sensor for nothing twice where what was summed up stands behind newer alerts', async () => {
    const spool = await openSpool();
    await spool.append([entry(15), entry(58), entry(15, 'four more of it')]);
    expect((await openSpool({ now: () => 2000 })).sensorSequence).toBe(58);
    await spool.close();
  });

  it('counts what exceeds the memory while the disk fails', async () => {
    const spool = await openSpool();
    rmSync(folder.dir, { recursive: true });
    writeFileSync(folder.dir, '');
    await spool.append(range(1, 1005));
    expect(spool.status()).toMatchObject({ waiting: 1000, lost: 5 });
    rmSync(folder.dir);
    mkdirSync(folder.dir);
    await spool.close();
    expect(segments()).toHaveLength(1);
  });

  it('cuts off a torn last line and leaves out an altered one, counting both', async () => {
    const spool = await openSpool();
    await spool.append(range(1, 3));
    await spool.close();
    const file = join(folder.dir, segments()[0] ?? '');
    writeFileSync(file, readFileSync(file, 'utf8').replace('event 2', 'event X'));
    appendFileSync(file, 'deadbeef {"sensor":4');
    const again = await openSpool();
    expect(await messages(again)).toEqual(['event 1', 'event 3']);
    expect(again.status().lost).toBe(2);
    await again.append([entry(5)]);
    expect((await allAlerts(again)).map((alert) => alert.Message)).toEqual([
      'event 1',
      'event 3',
      'event 5',
    ]);
    await again.close();
  });

  it('counts an altered line once, however often it starts, and when its segment is gone', async () => {
    const spool = await openSpool();
    await spool.append(range(1, 3));
    await spool.close();
    const file = join(folder.dir, segments()[0] ?? '');
    writeFileSync(file, readFileSync(file, 'utf8').replace('event 2', 'event X'));
    for (let start = 2000; start <= 4000; start += 1000) {
      const again = await openSpool({ now: () => start });
      expect(again.status().lost).toBe(1);
      await again.close();
    }
    const last = await openSpool({ now: () => 5000 });
    await last.acknowledge((await allAlerts(last)).at(-1)?.EventID ?? '');
    expect([segments(), last.status().lost]).toEqual([[], 1]);
    // Killed at once: what was removed is in the figures.
    expect((await openSpool({ now: () => 6000 })).status().lost).toBe(1);
    await last.close();
  });

  it('is there without a segment that cannot be read, which is set aside and counted', async () => {
    const spool = await openSpool({ segmentBytes: 1 });
    for (let i = 1; i <= 3; i += 1) await spool.append([entry(i)]);
    const [first = '', second = ''] = segments().map((file) => join(folder.dir, file));
    const unreadable = (file: string): void => {
      rmSync(file);
      mkdirSync(file);
    };
    unreadable(second);
    expect((await allAlerts(spool)).map(({ Message }) => Message)).toEqual(['event 1', 'event 3']);
    expect(spool.status().lost).toBe(1);
    await spool.close();
    unreadable(first);
    const again = await openSpool({ now: () => 2000 });
    expect(await messages(again)).toEqual(['event 3']);
    expect(again.status()).toMatchObject({ lost: 2, failure: expect.stringMatching(/set aside/) });
    expect(readdirSync(folder.dir).filter((file) => file.endsWith('.unreadable'))).toHaveLength(2);
    await again.append([entry(4)]);
    await again.retry();
    expect(again.status()).toMatchObject({ waiting: 2, lost: 2 });
    await again.close();
    expect((await openSpool({ now: () => 3000 })).status().lost).toBe(2);
  });

  it('is there where its folder cannot be, and keeps alerts in memory', async () => {
    writeFileSync(folder.dir, 'no folder');
    const spool = await openSpool();
    await spool.append(range(1, 2));
    expect(await messages(spool)).toEqual(['event 1', 'event 2']);
    expect(spool.status().failure).toMatch(/ENOTDIR|EEXIST/);
    rmSync(folder.dir);
    mkdirSync(folder.dir);
    await spool.retry();
    expect([segments().length, spool.status().failure]).toEqual([1, undefined]);
    await spool.close();
  });

  it('gives what waits, on disk and in memory, ids above what the control plane has', async () => {
    const spool = await openSpool({ segmentBytes: 500 });
    for (let i = 1; i <= 4; i += 1) await spool.append([entry(i)]);
    await spool.acknowledge((await allAlerts(spool))[0]?.EventID ?? '');
    const cursor = '99999999999-0000000007';
    expect([spool.isForeign(cursor), spool.isForeign('1000-0000000001')]).toEqual([true, false]);
    await spool.startAbove(cursor);
    await spool.append([entry(5)]);
    const expected = [2, 3, 4, 5].map((n) => `event ${n}`);
    const waiting = await allAlerts(spool, spool.acknowledged);
    expect(waiting.map(({ Message }) => Message)).toEqual(expected);
    expect(waiting.every(({ EventID }) => compareEventIds(EventID, cursor) > 0)).toBe(true);
    expect([spool.acknowledged, spool.status().lost, spool.isForeign(cursor)]).toEqual([
      cursor,
      1,
      false,
    ]);
    await spool.close();
    const again = await openSpool();
    expect((await allAlerts(again, cursor)).map(({ Message }) => Message)).toEqual(expected);
    await again.close();
  });

  it('starts anew from figures that are not JSON', async () => {
    mkdirSync(folder.dir);
    writeFileSync(join(folder.dir, 'meta.json'), '{"acknowledged":');
    const spool = await openSpool();
    expect(spool.status()).toEqual({ bytes: 0, waiting: 0, lost: 0 });
    await spool.close();
  });
});
