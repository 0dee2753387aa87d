import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SmallDisks } from '#testing';
import { SpoolFolder, allAlerts, entry, range } from '../testing/spools.js';
import { SpoolReserve } from './spool-reserve.js';
import { Spool, type SpoolOptions } from './spool.js';

let folder: SpoolFolder;
beforeEach(() => {
  folder = new SpoolFolder();
});
afterEach(() => folder.remove());

const openSpool = (options?: Partial<SpoolOptions>): Promise<Spool> => folder.open(options);
const segments = (): string[] => folder.segments();
const reserve = (): string => join(folder.dir, 'reserve');

/** Where the first segment and the figures would be nothing can be written; returns what makes room again. */
function fullDisk(): () => void {
  const inTheWay = ['1000-0000000001.seg', 'meta.json'].map((name) => join(folder.dir, name));
  for (const path of inTheWay) {
    rmSync(path, { force: true });
    mkdirSync(path);
  }
  return () => inTheWay.forEach((path) => rmSync(path, { recursive: true }));
}

describe('the spool on a full disk', () => {
  it.each(['a kill', 'a stop'])(
    'keeps through %s what waits, under the ids that it may have been sent by',
    async (end) => {
      const full = await openSpool();
      const makesRoom = fullDisk();
      await full.append(range(1, 3));
      const waiting = await full.read('', 10);
      expect(full.status().failure).not.toContain('told again');
      if (end === 'a stop') await full.close();
      makesRoom();
      const again = await openSpool({ now: () => 2000 });
      expect([again.sensorSequence, again.status().waiting]).toEqual([3, 3]);
      expect(await again.read('', 10)).toEqual(waiting);
      await again.append([entry(4)]);
      const [next] = await again.read(waiting.at(-1)?.EventID ?? '', 10);
      expect(next).toMatchObject({ EventID: '2000-0000000001', Message: 'event 4' });
    },
  );

  (SmallDisks.canBeMade ? it : it.skip)(
    `goes on with what waits, run after run, where not a byte can be written${SmallDisks.skipped}`,
    async () => {
      const disk = join(folder.root, 'disk');
      const disks = await SmallDisks.start([{ folder: disk, mib: 8 }]);
      try {
        folder.dir = join(disks.at(disk), 'spool');
        await (await openSpool()).append(range(1, 2));
        await disks.fill(disk);
        for (const start of [2000, 3000, 4000]) {
          const full = await openSpool({ now: () => start });
          const sensor = full.sensorSequence + 1;
          await full.append([entry(sensor, `${sensor} ${'x'.repeat(10_000)}`)]);
          expect(full.status().failure).toMatch(/^ENOSPC((?!told again).)*$/);
        }
        const full = await openSpool({ now: () => 5000 });
        const all = await allAlerts(full);
        expect(all.map(({ EventID }) => EventID)).toEqual(
          [1, 2]
            .map((n) => `1000-000000000${n}`)
            .concat([2, 3, 4].map((n) => `${n}000-0000000001`)),
        );
        await full.acknowledge(all.at(-2)?.EventID ?? '');
        const rest = await openSpool({ now: () => 6000 });
        expect([rest.sensorSequence, await allAlerts(rest, rest.acknowledged)]).toEqual([
          5,
          all.slice(-1),
        ]);
        await disks.empty(disk);
        const last = await openSpool({ now: () => 7000 });
        expect([last.sensorSequence, await allAlerts(last, last.acknowledged)]).toEqual([
          5,
          all.slice(-1),
        ]);
        expect(last.status().failure).toBeUndefined();
        await folder.close();
      } finally {
        await disks.stop();
      }
    },
  );

  (SmallDisks.canBeMade ? it : it.skip)(
    `leaves no file behind for what it could not write, and says that there is room again though nothing is new${SmallDisks.skipped}`,
    async () => {
      const disk = join(folder.root, 'disk');
      const disks = await SmallDisks.start([{ folder: disk, mib: 8 }]);
      try {
        folder.dir = join(disks.at(disk), 'spool');
        const full = await openSpool();
        await disks.fill(disk);
        for (const n of [1, 2, 3]) {
          await full.append([entry(n, `${n} ${'x'.repeat(10_000)}`)]);
          const [alert] = await full.read(full.acknowledged, 1);
          await full.acknowledge(alert?.EventID ?? '');
        }
        expect(segments()).toEqual([]);
        expect(full.status()).toMatchObject({ waiting: 0, lost: 0 });
        await full.retry();
        expect(full.status().failure).toMatch(/^ENOSPC/);
        await disks.empty(disk);
        await full.retry();
        expect(full.status().failure).toBeUndefined();
        await folder.close();
      } finally {
        await disks.stop();
      }
    },
  );

  it('asks the sensor for nothing, after a kill, that the control plane had out of memory', async () => {
    const full = await openSpool();
    const makesRoom = fullDisk();
    await full.append(range(1, 3));
    const sent = (await full.read('', 10)).at(-1)?.EventID ?? '';
    await full.acknowledge(sent);
    makesRoom();
    const again = await openSpool({ now: () => 2000 });
    expect([again.sensorSequence, again.acknowledged, again.status().waiting]).toEqual([
      3,
      sent,
      0,
    ]);
  });

  it('tells of each once when there is room again, also where it ended before the reserve was cleared', async () => {
    const full = await openSpool();
    const makesRoom = fullDisk();
    await full.append(range(1, 2));
    const used = readFileSync(reserve());
    makesRoom();
    await full.append([entry(3)]);
    expect(await new SpoolReserve(folder.dir).load(() => undefined)).toMatchObject({
      sensor: 0,
      waiting: [],
    });
    const written = segments().map((name) => readFileSync(join(folder.dir, name), 'utf8'));
    expect(written.join('').split('\n')).toHaveLength(4);
    for (const bytes of [readFileSync(reserve()), used]) {
      writeFileSync(reserve(), bytes);
      const again = await openSpool({ now: () => 2000 });
      expect((await again.read('', 10)).map(({ Message }) => Message)).toEqual([
        'event 1',
        'event 2',
        'event 3',
      ]);
      expect([again.sensorSequence, again.status().waiting]).toEqual([3, 3]);
    }
  });

  it('asks the sensor again for those that the reserve has no room for, and for no other', async () => {
    const full = await openSpool();
    const makesRoom = fullDisk();
    const long = 'x'.repeat(100_000);
    await full.append([1, 2, 3, 4, 5, 6, 7].map((n) => entry(n, `${n} ${long}`)));
    expect(full.status().failure).toContain('told again');
    makesRoom();
    const again = await openSpool({ now: () => 2000 });
    expect([again.sensorSequence, again.status().waiting]).toEqual([5, 5]);
  });

  it('has the reserve beforehand, and what it takes counts for nothing', async () => {
    const spool = await openSpool();
    expect(statSync(reserve())).toMatchObject({ size: 1024 * 1024, mode: 0o100600 });
    expect(spool.status().bytes).toBe(0);
  });

  it('makes the reserve once there is room where it began without', async () => {
    mkdirSync(reserve(), { recursive: true });
    const spool = await openSpool();
    rmSync(reserve(), { recursive: true });
    await spool.append([entry(1)]);
    expect(statSync(reserve()).size).toBe(1024 * 1024);
  });
});
