import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Log } from '#observability';
import { Confirmation } from '../delivery/confirmation.js';
import { alertOf } from '../events/alert-of.js';
import { Shipper } from '../events/shipper.js';
import { Spool, type NewAlert } from '../events/spool.js';
import { SensorWatch } from '../sensor/sensor-watch.js';
import { ScriptedSensor, sensorState } from '../testing/scripted-sensor.js';
import { SetClock } from '../testing/set-clock.js';
import { Reachability } from './reachability.js';
import { Context } from './context.js';

const HOUR = 3_600_000;
const assignmentVersion = { epoch: '1', generation: '7', issuedAt: 1 };
const run = { bootedAt: '2026-11-25T12:00:00.000Z', sequence: 1 };

class Unreachable extends Reachability {
  tries = 0;
  override prove(): Promise<void> {
    this.tries += 1;
    return Promise.reject(new Error('away'));
  }
  override proveWays(): Promise<void> {
    return this.prove();
  }
}

function denial(): NewAlert {
  const told = { profile: 'hostward', operation: 'open', name: '/etc/shadow', pid: 42 };
  const source = { nodeId: 'ab12', node: 'web1', hostname: 'web1' };
  const alert = alertOf({ seq: 1, time: 1, type: 'denied', ...told }, undefined, source, 0);
  if (alert === undefined) throw new Error('a denial is news');
  return alert;
}

let dir: string;
let clock: SetClock;
let around: Context;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hostward-clock-'));
  clock = new SetClock();
  around = new Context(clock, new Log({ write: () => undefined }));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

// waits by a clock that is set back
describe('a host whose clock is set back by an hour', () => {
  it('sends alerts again of which it hears nothing, when it would have anyway', async () => {
    let batches = 0;
    const link = {
      appendEvents: () => Promise.resolve(`${(batches += 1)}-0`),
      readCursor: () => Promise.resolve(undefined),
    };
    const spool = await Spool.open({ dir, maxBytes: 1024 * 1024 });
    await spool.append([{ sensor: 1, alert: denial() }]);
    const keys = { current: Buffer.alloc(32) };
    const shipper = new Shipper('ab'.repeat(32), link, spool, keys, { run }, around);
    await shipper.ship();
    clock.wall -= HOUR;
    clock.pass(9_000);
    await shipper.ship();
    expect(batches).toBe(1);
    clock.pass(1_000);
    await shipper.ship();
    expect(batches).toBe(2);
    await spool.close();
  });

  it('tries to confirm what it loaded, when it would have anyway', async () => {
    const sensor = new ScriptedSensor();
    sensor.state = sensorState({ assignmentVersion, confirm: { state: 'waiting', since: 1 } });
    const sensors = new SensorWatch(sensor, around);
    await sensors.refresh();
    const reachability = new Unreachable();
    const confirmation = new Confirmation(sensors, reachability, around);
    await confirmation.attempt();
    clock.wall -= HOUR;
    clock.pass(100);
    await confirmation.attempt();
    expect(reachability.tries).toBe(1);
    clock.pass(15_000);
    await confirmation.attempt();
    expect(reachability.tries).toBe(2);
  });
});
