import { describe, expect, it } from '@jest/globals';
import { Log } from '#observability';
import { Clock } from '../health/clock.js';
import { Surroundings } from '../health/surroundings.js';
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
    const around = new Surroundings(clock, new Log({ write: () => undefined }));
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
    const around = new Surroundings(new SetClock(), new Log({ write: () => undefined }));
    around.conditions.raise('clock', 'ahead of the control plane');
    const watch = new SensorWatch(new ScriptedSensor(), around);
    await watch.refresh();
    expect(around.conditions.has('clock')).toBe(true);
  });
});
