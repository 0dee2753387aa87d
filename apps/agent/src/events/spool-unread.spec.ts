import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Log } from '#observability';
import { SystemClock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { ScriptedSensor } from '../testing/scripted-sensor.js';
import { SpoolFolder, allAlerts, entry, range } from '../testing/spools.js';
import { EventPump } from './event-pump.js';
import { TelemetryEvents } from './telemetry-events.js';
import type { Spool } from './spool.js';

const source = { nodeId: 'a'.repeat(64), node: 'web1', hostname: 'web1' };

let folder: SpoolFolder;
beforeEach(() => {
  folder = new SpoolFolder();
});
afterEach(() => folder.remove());

/** A link to itself in its place, as nobody can list that; returns what makes it readable again. */
function unreadable(path: string): () => void {
  renameSync(path, `${path}.away`);
  symlinkSync(path, path);
  return () => {
    rmSync(path);
    renameSync(`${path}.away`, path);
  };
}

const messages = async (spool: Spool): Promise<string[]> =>
  (await allAlerts(spool, spool.acknowledged)).map(({ Message = '' }) => Message);

describe('a spool that cannot be read at a start', () => {
  it.each([
    ['its folder', ''],
    ['its reserve', 'reserve'],
    ['its figures', 'meta.json'],
  ])('loses nothing of what waits in it, nor any id or figure: %s', async (_, file) => {
    const first = await folder.open({ maxBytes: 4096, segmentBytes: 1024 });
    for (let i = 1; i <= 20; i += 1) await first.append([entry(i)]);
    const { waiting, lost } = first.status();
    expect(lost).toBeGreaterThan(0);
    await first.close();
    const mend = unreadable(join(folder.dir, file));
    // A clock that went back would give out the ids of before.
    const spool = await folder.open({ now: () => 1000 });
    expect([spool.isOpen, spool.status()]).toMatchObject([
      false,
      { waiting: 0, failure: expect.stringContaining('ELOOP') },
    ]);
    await spool.retry();
    await spool.acknowledge('1000-0000000020');
    mend();
    await spool.retry();
    await spool.append([entry(21)]);
    expect([spool.isOpen, spool.sensorSequence, spool.status()]).toMatchObject([
      true,
      21,
      { waiting: waiting + 1, lost },
    ]);
    const ids = (await allAlerts(spool)).map(({ EventID }) => EventID);
    expect(new Set(ids).size).toBe(waiting + 1);
    expect((await messages(spool)).slice(-2)).toEqual([`event ${waiting}`, 'event 21']);
  });

  it('keeps what waits in the reserve', async () => {
    const full = await folder.open();
    mkdirSync(join(folder.dir, '1000-0000000001.seg'));
    await full.append(range(1, 3));
    rmSync(join(folder.dir, '1000-0000000001.seg'), { recursive: true });
    const mend = unreadable(join(folder.dir, 'reserve'));
    const spool = await folder.open({ now: () => 2000 });
    mend();
    await spool.retry();
    expect(await messages(spool)).toEqual(['event 1', 'event 2', 'event 3']);
  });

  it('is written over by nothing where it is closed before it could be read', async () => {
    const first = await folder.open();
    await first.append(range(1, 2));
    await first.close();
    const meta = readFileSync(join(folder.dir, 'meta.json'), 'utf8');
    const mend = unreadable(folder.dir);
    await (await folder.open()).close();
    mend();
    expect(readFileSync(join(folder.dir, 'meta.json'), 'utf8')).toBe(meta);
  });

  it('begins anew once its folder is moved away', async () => {
    await (await folder.open()).append(range(1, 2));
    unreadable(folder.dir);
    const spool = await folder.open({ now: () => 2000 });
    rmSync(folder.dir);
    await spool.retry();
    await spool.append([entry(3)]);
    expect(await messages(spool)).toEqual(['event 3']);
    expect(readdirSync(`${folder.dir}.away`)).toContain('1000-0000000001.seg');
  });
});

/** Waits one turn, and tells how often it was asked to. */
class HastyClock extends SystemClock {
  waits = 0;
  onWait: () => void = () => undefined;
  override wait(): Promise<void> {
    this.waits += 1;
    this.onWait();
    return new Promise((resolve) => setImmediate(resolve));
  }
}

it.each([
  ['is mended', true],
  ['is moved away', false],
])('asks the sensor for nothing before the folder of the spool %s', async (_, isKept) => {
  await (await folder.open()).append([entry(1)]);
  await folder.close();
  const mend = unreadable(folder.dir);
  const spool = await folder.open({ now: () => 2000 });
  const sensor = new ScriptedSensor();
  const denied = { type: 'denied', operation: 'open', name: '/etc/shadow', pid: 1 } as const;
  // The first of them has been told of, where that is known.
  const numbers = isKept ? [1, 2, 3] : [5, 6, 7];
  sensor.happen(...numbers.map((seq) => ({ ...denied, seq, pid: seq, time: 1 })));
  const asked: number[] = [];
  const events = sensor.events.bind(sensor);
  sensor.events = (after, signal) => (asked.push(after), events(after, signal));
  const clock = new HastyClock();
  const around = new Context(clock, new Log({ write: () => undefined }));
  const from = { sensor, reports: () => [], source, onAway: () => undefined };
  const pump = new EventPump(from, spool, new TelemetryEvents(source), around);
  clock.onWait = () => {
    if (clock.waits !== 3) return;
    expect([asked, around.conditions.list()]).toMatchObject([
      [],
      [{ name: 'spool', message: expect.stringMatching(/ELOOP.*nothing is sent/) }],
    ]);
    if (isKept) mend();
    else rmSync(folder.dir);
  };
  const stop = new AbortController();
  const ended = pump.run(stop.signal);
  while (spool.status().waiting < 3) await new Promise((resolve) => setImmediate(resolve));
  await pump.flush();
  stop.abort();
  await ended;
  const told = (await allAlerts(spool)).map(({ Message }) => Message === 'event 1');
  expect([told, asked]).toEqual([[isKept, false, false], [1]]);
  expect(around.conditions.has('spool')).toBe(false);
});
