import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';

const native = (path: string): string =>
  readFileSync(new URL(`../native/${path}`, import.meta.url), 'utf8');

/** Seconds of a setting of a unit. */
function secondsOf(unit: string, key: string): number {
  const text = native(`systemd/${unit}.service`);
  const [, count, word = 's'] = new RegExp(`^${key}=(\\d+)(min)?$`, 'm').exec(text) ?? [];
  return Number(count) * (word === 'min' ? 60 : 1);
}

const SENSOR_S = secondsOf('hostward-sensor', 'TimeoutStartSec');

it('a slow machine has as long to load its rule set at boot as its sensor has, and as a busy sensor', () => {
  const [, patientMs = '0'] = /^#define PATIENT_MS \((.*)\)$/m.exec(native('src/notify.c')) ?? [];
  const patientS = patientMs.split('*').reduce((product, each) => product * Number(each), 1) / 1000;
  expect([secondsOf('hostward-early', 'TimeoutStartSec'), patientS]).toEqual([SENSOR_S, SENSOR_S]);
});

it('a load that hangs ends, and no unit needs it: the boot goes on', () => {
  expect(secondsOf('hostward-early', 'TimeoutStopSec')).toBe(10);
  expect(native('systemd/hostward-early.service')).not.toMatch(/^(RequiredBy|Restart)=/m);
  for (const unit of ['sensor', 'agent', 'compiler', 'autonomous'])
    expect(native(`systemd/hostward-${unit}.service`)).not.toMatch(
      /^(Requires|BindsTo|Requisite)=.*early/m,
    );
});

it('who asks the sensor for a load waits until it has had its time', () => {
  const [, seconds] = /^#define ANSWER_SECONDS (\d+)$/m.exec(native('src/console.c')) ?? [];
  expect(Number(seconds)).toBeGreaterThan(SENSOR_S);
});
