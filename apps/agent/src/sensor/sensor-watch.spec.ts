import { describe, expect, it } from '@jest/globals';
import { Log } from '#observability';
import { SensorRefusedError } from '#sensor';
import { Clock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { ScriptedSensor, sensorState } from '../testing/scripted-sensor.js';
import { SensorWatch } from './sensor-watch.js';

const SIGNED_AT = Date.parse('2026-11-25T12:00:00Z');

class SetClock extends Clock {
  at = SIGNED_AT;
  override now(): number {
    return this.at;
  }
  override elapsed(): number {
    return this.at;
  }
  override random(): number {
    return 0.5;
  }
  override wait(): Promise<void> {
    return Promise.resolve();
  }
}

describe('a host whose clock is behind what was signed to it', () => {
  it('says so, and what to do, until the clock is set', async () => {
    const clock = new SetClock();
    const around = new Context(clock, new Log({ write: () => undefined }));
    const sensor = new ScriptedSensor();
    const watch = new SensorWatch(sensor, around);
    sensor.state = sensorState({
      highest: { epoch: '1', generation: '7', issuedAt: SIGNED_AT },
    });
    await watch.refresh();
    expect(around.conditions.list()).toEqual([]);
    clock.at = 60_000;
    await watch.refresh();
    expect(around.conditions.list()).toMatchObject([
      { name: 'clock', message: expect.stringMatching(/says 1970-01-01T.*at 2026-11-25T.*set it/) },
    ]);
    clock.at = SIGNED_AT + 5_000;
    await watch.refresh();
    expect(around.conditions.list()).toEqual([]);
  });

  it('leaves what another part says of the clock alone', async () => {
    const around = new Context(new SetClock(), new Log({ write: () => undefined }));
    around.conditions.raise('clock', 'ahead of the control plane');
    const watch = new SensorWatch(new ScriptedSensor(), around);
    await watch.refresh();
    expect(around.conditions.has('clock')).toBe(true);
  });
});

describe('what the sensor says again at each look', () => {
  it('is of the time at which it was said first', async () => {
    const around = new Context(new SetClock(), new Log({ write: () => undefined }));
    const sensor = new ScriptedSensor();
    const watch = new SensorWatch(sensor, around);
    const since = async (atMs: number, message: string): Promise<number | undefined> => {
      sensor.nowMs = () => atMs;
      sensor.state = sensorState({ outcome: { ok: false, code: 'drop-in-failed', message } });
      await watch.refresh();
      return watch.sighting?.outcomeSince;
    };
    expect([await since(1_000, 'a'), await since(6_000, 'a'), await since(11_000, 'b')]).toEqual([
      1_000, 1_000, 11_000,
    ]);
  });
});

describe('a confirmation', () => {
  it('that the sensor does not take, or that it is not there for, is none', async () => {
    const around = new Context(new SetClock(), new Log({ write: () => undefined }));
    const sensor = new ScriptedSensor();
    const watch = new SensorWatch(sensor, around);
    const assignmentVersion = { epoch: '1', generation: '7', issuedAt: SIGNED_AT };
    expect(await watch.confirm(assignmentVersion)).toBe('confirmed');
    sensor.failure = new SensorRefusedError('not-in-force', 'scripted');
    expect(await watch.confirm(assignmentVersion)).toBe('not-confirmed');
    sensor.failure = new SensorRefusedError('restart-needed', 'scripted');
    expect(await watch.confirm(assignmentVersion)).toBe('restart-needed');
    sensor.goAway();
    expect(await watch.confirm(assignmentVersion)).toBe('not-confirmed');
  });
});
