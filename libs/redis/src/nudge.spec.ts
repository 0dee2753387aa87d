import { describe, expect, it } from '@jest/globals';
import { MalformedValue } from './errors.js';
import { encodeRing, parseDeliveryRecord, parseRing } from './nudge.js';

describe('a ring', () => {
  it('is read back as it was written', () => {
    const ring = { node: 'a1', what: 'events' } as const;
    expect(parseRing(encodeRing(ring))).toEqual(ring);
  });

  it.each(['', '{', 'null', '[]', '7', '{"node":1,"what":"state"}', '{"node":"a","what":"x"}'])(
    'that reads %s is none',
    (payload) => expect(parseRing(payload)).toBeUndefined(),
  );

  it('longer than its bound is not even parsed', () => {
    expect(parseRing(JSON.stringify({ node: 'n'.repeat(600), what: 'state' }))).toBeUndefined();
  });
});

describe('a delivery record', () => {
  const record = {
    v: 1,
    assignmentVersion: { epoch: '1', generation: '2', issuedAt: 3 },
    bundleDigest: 'd',
    root: {},
    commit: {},
    sealedChannelKey: 'k',
    leaf: 'l',
    proof: { index: 0, size: 1, path: ['p'] },
  };

  it('of version 1 is taken', () => {
    expect(parseDeliveryRecord('a1', JSON.stringify(record))).toEqual(record);
  });

  it.each([
    { ...record, v: 2 },
    { ...record, assignmentVersion: { epoch: 1, generation: '2', issuedAt: 3 } },
    { ...record, assignmentVersion: undefined },
    { ...record, proof: { index: 0, size: 1, path: [7] } },
    { ...record, leaf: undefined },
  ])('with a wrong field is refused: %j', (wrong) => {
    expect(() => parseDeliveryRecord('a1', JSON.stringify(wrong))).toThrow(MalformedValue);
  });
});
