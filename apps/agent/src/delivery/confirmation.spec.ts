import { beforeEach, describe, expect, it } from '@jest/globals';
import { Log } from '#observability';
import { Reachability } from '../health/reachability.js';
import { Context } from '../health/context.js';
import { SensorWatch } from '../sensor/sensor-watch.js';
import { ScriptedSensor, sensorState } from '../testing/scripted-sensor.js';
import { SetClock } from '../testing/set-clock.js';
import { Confirmation } from './confirmation.js';

const assignmentVersion = { epoch: '1', generation: '7', issuedAt: 1 };

class Ways extends Reachability {
  proofs = 0;
  away = false;
  override prove(): Promise<void> {
    this.proofs += 1;
    return this.away ? Promise.reject(new Error('away')) : Promise.resolve();
  }
  override proveWays(): Promise<void> {
    return this.prove();
  }
}

let sensor: ScriptedSensor;
let sensors: SensorWatch;
let ways: Ways;
let clock: SetClock;
let lines: string[];
let confirmation: Confirmation;

beforeEach(() => {
  [sensor, ways, clock, lines] = [new ScriptedSensor(), new Ways(), new SetClock(), []];
  const log = new Log({ write: (line: string) => lines.push(line) > 0 });
  const around = new Context(clock, log);
  sensors = new SensorWatch(sensor, around);
  confirmation = new Confirmation(sensors, ways, around);
});

const inForce = async (state: 'waiting' | 'confirmed' | 'fell-back'): Promise<void> => {
  sensor.state = sensorState({ assignmentVersion, confirm: { state, since: 1 } });
  await sensors.refresh();
};

describe('a swap', () => {
  it('is confirmed at once, whatever the wait after earlier failures', async () => {
    await inForce('waiting');
    ways.away = true;
    for (let failures = 0; failures < 3; failures += 1) {
      await confirmation.attempt();
      clock.pass(60_000);
    }
    await confirmation.attempt();
    ways.away = false;
    await confirmation.attempt();
    expect(sensor.confirmed).toEqual([]);
    await confirmation.afterSwap();
    expect(sensor.confirmed).toEqual([assignmentVersion]);
  });
});

describe('what was confirmed before this start of the agent', () => {
  it('is confirmed once more, over new connections, and no more after that', async () => {
    await inForce('confirmed');
    await confirmation.attempt();
    await confirmation.attempt();
    expect(sensor.confirmed).toEqual([assignmentVersion]);
    expect(ways.proofs).toBe(1);
  });

  it('is tried again until the control plane is reached, and says of what it is', async () => {
    await inForce('confirmed');
    ways.away = true;
    await confirmation.attempt();
    expect(sensor.confirmed).toEqual([]);
    expect(lines.join('')).toContain('this start was not confirmed yet');
    ways.away = false;
    clock.pass(15_000);
    await confirmation.attempt();
    expect(sensor.confirmed).toEqual([assignmentVersion]);
  });

  it('is left alone once a swap of this start was confirmed, and where the host fell back', async () => {
    await inForce('fell-back');
    await confirmation.attempt();
    expect(ways.proofs).toBe(0);
    await inForce('waiting');
    await confirmation.attempt();
    await inForce('confirmed');
    await confirmation.attempt();
    expect(ways.proofs).toBe(1);
  });
});
