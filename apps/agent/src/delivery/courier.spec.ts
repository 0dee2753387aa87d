import { beforeEach, describe, expect, it } from '@jest/globals';
import { generateSealingKey } from '#bundle';
import { Log } from '#observability';
import type { HostLink, RedisConnection } from '#redis';
import { Clock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { SensorWatch } from '../sensor/sensor-watch.js';
import { FleetDouble } from '../testing/fleet-double.js';
import { ScriptedSensor } from '../testing/scripted-sensor.js';
import { Courier } from './courier.js';
import type { ChannelKeys } from '../trust/channel-keys.js';

const NODE_ID = 'ab'.repeat(32);
const DAY_MS = 24 * 3_600_000;

class SetClock extends Clock {
  ms = 1_000_000;
  override now(): number {
    return this.ms;
  }
  override elapsed(): number {
    return this.ms;
  }
  override random(): number {
    return 0.5;
  }
  override wait(): Promise<void> {
    return Promise.resolve();
  }
}

let clock: SetClock;
let fleet: FleetDouble;
let sensor: ScriptedSensor;
let sensors: SensorWatch;
let courier: Courier;
let offered: Awaited<ReturnType<FleetDouble['assign']>>;

beforeEach(() => {
  clock = new SetClock();
  const around = new Context(clock, new Log({ level: 'error', write: () => undefined }));
  fleet = new FleetDouble(
    {} as unknown as RedisConnection,
    NODE_ID,
    generateSealingKey().sealingKey,
  );
  sensor = new ScriptedSensor();
  sensors = new SensorWatch(sensor, around);
  const link = {
    fetchRecord: () => Promise.resolve(offered.record),
    fetchBundle: () => Promise.resolve(offered.bundle),
  };
  const keys = { learn: () => Promise.resolve() };
  courier = new Courier(
    link as unknown as HostLink,
    sensors,
    keys as unknown as ChannelKeys,
    around,
  );
});

describe('an assignment whose rule set the host fell back from', () => {
  it('has ordered a suspension, which the report that follows has', async () => {
    offered = await fleet.assign('5');
    await courier.check();
    offered = await fleet.assign('6');
    sensor.refusal = 'fell-back';
    const suspension = { mode: 'off', until: 9e12, reason: 'x', by: 'control-plane' } as const;
    const { assignmentVersion: highest } = offered.record;
    sensor.refusedState = { highest, suspension, confirm: { state: 'fell-back', since: 1 } };
    const told: unknown[] = [];
    courier.onAttempt(() => told.push(sensors.sighting?.state.suspension));
    await courier.check();
    expect(told).toEqual([suspension]);
  });

  it('is handed over once, also where another one was confirmed since', async () => {
    offered = await fleet.assign('5');
    await courier.check();
    offered = await fleet.assign('6');
    sensor.refusal = 'fell-back';
    sensor.refusedState = { highest: offered.record.assignmentVersion };
    await courier.check();
    clock.ms += DAY_MS;
    await courier.check();
    expect(sensor.envelopes).toHaveLength(2);
    expect(courier.rejection).toMatchObject({
      code: 'fell-back',
      assignmentVersion: { generation: '6' },
    });
  });

  it('is handed over again where there was no room to take what it orders', async () => {
    offered = await fleet.assign('5');
    sensor.refusal = 'not-kept';
    await courier.check();
    clock.ms += DAY_MS;
    sensor.refusal = 'fell-back';
    await courier.check();
    expect(sensor.envelopes).toHaveLength(2);
  });
});
