import { expect, it } from '@jest/globals';
import { Log } from '#observability';
import { Clock } from '../http/clock.js';
import type { Fleet } from '../store/fleet.js';
import { FleetState } from '../store/fleet-state.js';
import type { ExceptionService } from '../policies/exception.service.js';
import { putSuspension, snapshot, suspensionRecord } from '../testing/records.js';
import { Endings } from './endings.js';
import type { SuspensionService } from './suspension.service.js';

const BEGIN = Date.parse('2026-03-01T12:00:00.000Z');
const MINUTE = 60_000;

class SetClock extends Clock {
  now = BEGIN;
  override nowMs(): number {
    return this.now;
  }
}

/** Which of these suspensions, by id and length in minutes, are ended at a time after they began. */
async function endedAt(afterMs: number, lengths: Readonly<Record<string, number>>) {
  const state = new FleetState();
  const at = new Date(BEGIN).toISOString();
  const puts = Object.entries(lengths).map(([id, minutes]) =>
    putSuspension(
      suspensionRecord(id, { at, until: new Date(BEGIN + minutes * MINUTE).toISOString() }),
    ),
  );
  state.apply(snapshot(10n, ...puts));
  const ended: string[] = [];
  const end = (id: string): Promise<void> => Promise.resolve(void ended.push(id));
  const clock = new SetClock();
  clock.now = BEGIN + afterMs;
  const service = { end } as unknown as SuspensionService & ExceptionService;
  const fleet = { state } as unknown as Fleet;
  await new Endings(fleet, service, service, clock, new Log({ write: () => undefined })).run();
  return ended;
}

it('a suspension ends at its time', async () => {
  expect(await endedAt(30 * MINUTE - 1, { drain: 30 })).toEqual([]);
  expect(await endedAt(30 * MINUTE, { drain: 30 })).toEqual(['drain']);
});

it('one that another outlasts ends a moment before, so that hosts have the other by then', async () => {
  const both = { drain: 30, glass: 480 };
  expect(await endedAt(30 * MINUTE - 16_000, both)).toEqual([]);
  expect(await endedAt(30 * MINUTE - 15_000, both)).toEqual(['drain']);
  expect(await endedAt(480 * MINUTE - 1, { glass: 480, drain: 480 })).toEqual([]);
});

it('a short one is not ended before most of it is over', async () => {
  const both = { drain: 0.2, glass: 480 };
  expect(await endedAt(8_000, both)).toEqual([]);
  expect(await endedAt(9_000, both)).toEqual(['drain']);
});
