import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { openEvents, sealCursor } from '#bundle';
import type { AlertBatch } from '#contracts';
import { Log } from '#observability';
import { SystemClock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { SpoolFolder, entry, range } from '../testing/spools.js';
import { compareEventIds } from './event-id.js';
import { Shipper } from './shipper.js';
import { Spool } from './spool.js';

const NODE = 'ab'.repeat(32);
const KEY = Buffer.alloc(32, 1);

let folder: SpoolFolder;
let spool: Spool;
let shipper: Shipper;
let sent: AlertBatch[];
let cursor: string | undefined;

beforeEach(async () => {
  folder = new SpoolFolder();
  spool = await folder.open();
  sent = [];
  cursor = undefined;
  shipper = shipperOf(spool);
});
afterEach(() => folder.remove());

function shipperOf(of: Spool): Shipper {
  const link = {
    appendEvents: (sealed: Uint8Array) => {
      sent.push(JSON.parse(openEvents(KEY, NODE, sealed).toString()) as AlertBatch);
      return Promise.resolve('1-0');
    },
    readCursor: () =>
      Promise.resolve(
        cursor === undefined
          ? undefined
          : sealCursor(KEY, NODE, Buffer.from(JSON.stringify({ v: 1, last: cursor }))),
      ),
  };
  const around = new Context(new SystemClock(), new Log({ write: () => undefined }));
  const run = { bootedAt: new Date(0).toISOString(), sequence: 1 };
  return new Shipper(NODE, link, of, { current: KEY }, { run }, around);
}

it('takes a cursor of a batch that was sent before the one under way', async () => {
  await spool.append(range(1, 3));
  await shipper.ship();
  // Redis was away, and fewer were sent again: a full disk took only some of those that had waited in memory.
  const read = spool.read.bind(spool);
  spool.read = (after) => read(after, 1);
  await shipper.reconnected();
  expect(sent.map(({ alerts }) => alerts.length)).toEqual([3, 1]);
  cursor = sent[0]?.last;
  await shipper.ship();
  expect(spool.status().waiting).toBe(0);
});

it('drops nothing for a cursor beyond what was sent', async () => {
  await spool.append(range(1, 3));
  const ids = (await spool.read('', 10)).map(({ EventID }) => EventID);
  const read = spool.read.bind(spool);
  spool.read = (after) => read(after, 1);
  await shipper.ship();
  expect(sent.map(({ last }) => last)).toEqual(ids.slice(0, 1));
  cursor = ids[2];
  await shipper.ship();
  expect(spool.status().waiting).toBe(3);
  expect(spool.acknowledged).toBe('');
});

it('sends what came since as soon as the cursor has passed the batch under way', async () => {
  await spool.append([entry(1)]);
  await shipper.ship();
  await spool.append([entry(2)]);
  await shipper.ship();
  expect(sent).toHaveLength(1);
  cursor = sent[0]?.last;
  await shipper.ship();
  expect(sent.map(({ alerts }) => alerts.map(({ Message }) => Message))).toEqual([
    ['event 1'],
    ['event 2'],
  ]);
});

it('goes on above what the store has of a run whose clock was ahead', async () => {
  await spool.append(range(1, 2));
  await shipper.ship();
  cursor = '99999999999-0000000007';
  await spool.append([entry(3)]);
  await shipper.ship();
  const { alerts = [] } = sent.at(-1) ?? {};
  expect(alerts.map(({ Message }) => Message)).toEqual(['event 1', 'event 2', 'event 3']);
  expect(alerts.every(({ EventID }) => compareEventIds(EventID, cursor ?? '') > 0)).toBe(true);
  cursor = alerts.at(-1)?.EventID;
  await shipper.ship();
  expect(spool.status()).toMatchObject({ waiting: 0, lost: 1 });
});

it('tells once that a spool was lost in which all may have been sent, though nothing waits', async () => {
  cursor = '900-0000000007';
  await shipper.ship();
  await shipper.ship();
  expect([sent, spool.status().lost]).toEqual([[], 1]);
  await spool.append([entry(1)]);
  await shipper.ship();
  expect(sent.map(({ first }) => first)).toEqual(['1000-0000000001']);
});

it('sends again, above it, what the store took for what it has of a spool that was lost', async () => {
  await spool.append([entry(1)]);
  await spool.close();
  // The clock has passed what the run had that was lost with its spool, of which Redis says nothing at first.
  spool = await folder.open({ now: () => 600_000 });
  shipper = shipperOf(spool);
  await spool.append([entry(2)]);
  await shipper.ship();
  cursor = '500000-0000000007';
  await shipper.ship();
  expect(sent.map(({ alerts }) => alerts.map(({ Message }) => Message))).toEqual([
    ['event 1'],
    ['event 1'],
  ]);
  expect(compareEventIds(sent.at(-1)?.last ?? '', cursor)).toBeGreaterThan(0);
});
