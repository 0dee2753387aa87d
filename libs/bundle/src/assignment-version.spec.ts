import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareAssignmentVersion, parseAssignmentVersion } from './assignment-version.js';

const number = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const assignmentVersion = fc.record({ epoch: number, generation: number, issuedAt: fc.nat() });

describe('the order of assignments', () => {
  it('compares numbers, not texts, and the epoch first', () => {
    const at = (epoch: string, generation: string, issuedAt: number) => ({
      epoch,
      generation,
      issuedAt,
    });
    expect(compareAssignmentVersion(at('1', '9', 0), at('1', '10', 0))).toBe(-1);
    expect(compareAssignmentVersion(at('10', '0', 0), at('9', '999', 9))).toBe(1);
    expect(compareAssignmentVersion(at('1', '1', 2), at('1', '1', 1))).toBe(1);
    const big = 2n ** 63n;
    expect(compareAssignmentVersion(at('1', String(big + 1n), 0), at('1', String(big), 0))).toBe(1);
  });

  it('is total: antisymmetric, and zero only for the same', () => {
    fc.assert(
      fc.property(assignmentVersion, assignmentVersion, (a, b) => {
        expect(compareAssignmentVersion(a, b) + compareAssignmentVersion(b, a)).toBe(0);
        expect(compareAssignmentVersion(a, { ...a })).toBe(0);
      }),
    );
  });

  it.each([
    { epoch: '01', generation: '1', issuedAt: 1 },
    { epoch: '1', generation: '-1', issuedAt: 1 },
    { epoch: '1', generation: '18446744073709551616', issuedAt: 1 },
    { epoch: 1, generation: '1', issuedAt: 1 },
    { epoch: '1', generation: '1', issuedAt: 1.5 },
    { epoch: '1', generation: '1' },
    { epoch: '1', generation: '1', issuedAt: 1, more: 1 },
  ])('refuses %j', (value) => {
    expect(() => parseAssignmentVersion(value, 'assignment version')).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    );
  });
});
