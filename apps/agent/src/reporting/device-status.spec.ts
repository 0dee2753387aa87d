import { describe, expect, it } from '@jest/globals';
import type { RuleReport } from '#policy-compiler';
import type { SensorState } from '#sensor';
import { sensorState } from '../testing/scripted-sensor.js';
import { ruleStatus } from './rule-status.js';

const ID = 'device/matchDevice/0';
const REFERENCES = [
  { policy: 'other', revision: '1', rule: ID, action: 'Block', tags: [] },
  { policy: 'usb', revision: '1', rule: ID, action: 'Block', tags: [] },
] as const;

const found: NonNullable<SensorState['devices']> = {
  bus: true,
  listening: true,
  present: 2,
  refused: 1,
  spared: [],
};

function statusOf(change: Partial<SensorState>, plan: RuleReport['plan'] = 'enforce') {
  const rule = { id: ID, plan, class: 'device' } as const;
  return ruleStatus('usb', rule, sensorState({ devices: found, ...change }), REFERENCES);
}

describe('the state of a rule about devices', () => {
  it('is enforced or audited where the bus was read back to be as the rules ask', () => {
    expect(statusOf({})).toEqual({ id: ID, state: 'enforced', proof: 'read-back' });
    expect(statusOf({}, 'audit')).toEqual({ id: ID, state: 'audited', proof: 'read-back' });
  });

  it('says where there is no bus that it holds for one to come', () => {
    const status = statusOf({ devices: { ...found, bus: false } });
    expect(status).toMatchObject({
      state: 'enforced',
      reason: expect.stringMatching(/no USB bus/),
    });
  });

  it('is failed for its own devices that stay in use, and for no other rule', () => {
    const spared = { device: '1-2 (46f4:0001)', reason: 'it is the only keyboard' };
    expect(statusOf({ devices: { ...found, spared: [{ rule: 1, ...spared }] } })).toEqual({
      id: ID,
      state: 'failed',
      reason: '1-2 (46f4:0001) stays in use: it is the only keyboard',
    });
    expect(statusOf({ devices: { ...found, spared: [{ rule: 0, ...spared }] } }).state).toBe(
      'enforced',
    );
  });

  it('is failed where a gate could not be closed, or nobody tells what comes', () => {
    const fault = 'usb1 lets new devices in';
    expect(statusOf({ devices: { ...found, fault } })).toMatchObject({
      state: 'failed',
      reason: fault,
    });
    expect(statusOf({ devices: { ...found, listening: false } }).state).toBe('failed');
  });

  it('is no more than delivered under break-glass, or from a sensor that says nothing of devices', () => {
    expect(statusOf({ mode: 'audit' }).state).toBe('delivered');
    expect(statusOf({ mode: 'audit' }, 'audit').state).toBe('audited');
    expect(statusOf({ mode: 'off' }, 'audit').state).toBe('delivered');
    expect(statusOf({ devices: undefined }).state).toBe('delivered');
  });
});
