import { describe, expect, it } from '@jest/globals';
import { decide } from './decide.js';

const assignmentVersion = (epoch: string, generation: string, issuedAt = 0) => ({
  epoch,
  generation,
  issuedAt,
});
const offer = (generation: string, fingerprint = 'a') => ({
  assignmentVersion: assignmentVersion('1', generation),
  fingerprint,
});

const held = (generation: string) => ({
  highest: assignmentVersion('1', generation),
  inForce: assignmentVersion('1', generation),
  fellBack: false,
});

describe('what the agent does with an offered assignment', () => {
  it('takes what is greater than the sensor holds, and anything where it holds nothing', () => {
    expect(decide(offer('6'), held('5'), undefined, 0)).toBe('take');
    expect(decide(offer('6'), { fellBack: false }, undefined, 0)).toBe('take');
    expect(
      decide(offer('1'), { fellBack: false, highest: assignmentVersion('0', '9') }, undefined, 0),
    ).toBe('take');
  });

  it('ignores what is equal or older', () => {
    expect(decide(offer('5'), held('5'), undefined, 0)).toBe('equal');
    expect(decide(offer('4'), held('5'), undefined, 0)).toBe('older');
  });

  it('tries again what was accepted and did not get into force, but not what the host fell back from', () => {
    const failed = { ...held('6'), inForce: assignmentVersion('1', '5') };
    expect(decide(offer('6'), failed, undefined, 0)).toBe('take');
    expect(decide(offer('6'), { ...failed, fellBack: true }, undefined, 0)).toBe('equal');
    expect(decide(offer('7'), { ...failed, fellBack: true }, undefined, 0)).toBe('take');
  });

  it('does not try the same refused record again before its time', () => {
    const refusal = { fingerprint: 'a', attempts: 1, retryAt: 1000 };
    expect(decide(offer('6'), held('5'), refusal, 999)).toBe('wait');
    expect(decide(offer('6'), held('5'), refusal, 1000)).toBe('take');
  });

  it('takes a good record at once after a forged one with a greater generation was refused', () => {
    const refusal = { fingerprint: 'forged', attempts: 1, retryAt: Infinity };
    expect(decide(offer('6', 'good'), held('5'), refusal, 0)).toBe('take');
  });
});
