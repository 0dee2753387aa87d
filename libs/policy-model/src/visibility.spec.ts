import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { VISIBILITY_CLASSES, visibilityFault, visibilityOf } from './visibility.js';

describe('labels that say what a host watches', () => {
  it('count where they are on, in the order of the classes', () => {
    const labels = {
      'visibility.hostward.io/network': 'on',
      'visibility.hostward.io/process': 'on',
      'visibility.hostward.io/file': 'off',
      network: 'on',
    };
    expect(visibilityOf(labels)).toEqual(['process', 'network']);
    expect(visibilityOf({})).toEqual([]);
  });

  it('have a fault where they would say nothing', () => {
    expect(visibilityFault('visibility.hostward.io/files', 'on')).toMatch(/process, file/);
    expect(visibilityFault('visibility.hostward.io/file', 'yes')).toMatch(/on or off/);
    expect(visibilityFault('visibility.hostward.io/dns', 'off')).toBeUndefined();
    expect(visibilityFault('env', 'prod')).toBeUndefined();
  });

  it('have the bits that the sensor knows', () => {
    const header = readFileSync('libs/sensor/native/include/hostward-sense.h', 'utf8');
    const names = [...header.matchAll(/^ {8}HW_SENSE_([A-Z]+),$/gm)].map(([, name]) => name);
    expect(names).toEqual([...VISIBILITY_CLASSES.map((each) => each.toUpperCase()), 'CLASSES']);
  });
});
