import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openBundle, sealBundle } from './bundle.js';
import { sha256Hex } from './encoding.js';
import { pad, paddedSize, unpad } from './padding.js';
import { generateSigningKey } from './signing-key.js';
import { policies } from './test-fleet.js';

const key = generateSigningKey();
const secret = Buffer.alloc(32, 1);
const both = policies(key, 'alpha', 'beta');
const refused = (code: string) => expect.objectContaining({ name: 'RefusedError', code });

describe('a bundle', () => {
  it('is the same bytes for the same rule set, in whatever order it was given', () => {
    const sealed = sealBundle(both, secret);
    const again = sealBundle(new Map([...both].reverse()), Buffer.alloc(32, 1));
    expect(again).toEqual(sealed);
    expect(sealed.digest).toBe(sha256Hex(sealed.ciphertext));
  });

  it('shares neither key nor name with another rule set, another revision or another epoch', () => {
    const alpha = policies(key, 'alpha');
    const later = new Map(
      [...alpha].map(([name, policy]) => [name, { ...policy, revision: '18' }]),
    );
    const all = [sealBundle(both, secret), sealBundle(alpha, secret), sealBundle(later, secret)];
    all.push(sealBundle(both, Buffer.alloc(32, 2)));
    expect(new Set(all.map(({ digest }) => digest)).size).toBe(4);
    expect(new Set(all.map(({ dataKey }) => dataKey)).size).toBe(4);
  });

  it('opens with its data key to the envelopes and revisions, in the order of names', () => {
    const sealed = sealBundle(both, secret);
    expect(openBundle(sealed.ciphertext, sealed).policies).toEqual([
      both.get('alpha'),
      both.get('beta'),
    ]);
  });

  it('is refused with another data key, and under another digest', () => {
    const sealed = sealBundle(both, secret);
    const { dataKey } = sealBundle(policies(key, 'alpha'), secret);
    expect(() => openBundle(sealed.ciphertext, { ...sealed, dataKey })).toThrow(
      refused('bad-seal'),
    );
    const digest = 'ab'.repeat(32);
    expect(() => openBundle(sealed.ciphertext, { ...sealed, digest })).toThrow(
      refused('bundle-digest-mismatch'),
    );
  });

  it('is not made from a secret of another length or from what is no signed document', () => {
    expect(() => sealBundle(both, Buffer.alloc(16))).toThrow(refused('malformed'));
    const envelope = { payloadType: 'x', payload: '', signatures: [] };
    expect(() => sealBundle(new Map([['a', { envelope, revision: '1' }]]), secret)).toThrow(
      refused('malformed'),
    );
  });
});

describe('padding', () => {
  it('is taken off again, and adds a kilobyte or an eighth at most', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300_000 }), (length) => {
        const content = Buffer.alloc(length, 0xaa);
        const padded = pad(content);
        expect(unpad(padded, 'test').equals(content)).toBe(true);
        expect(padded.length - length - 4).toBeLessThan(Math.max(1024, (length + 4) / 8));
      }),
      { numRuns: 60 },
    );
  });

  it('hides the exact size', () => {
    expect(paddedSize(10)).toBe(1024);
    expect(paddedSize(1020)).toBe(1024);
    expect(paddedSize(1021)).toBe(2048);
    expect(paddedSize(100_000)).toBe(106_496);
  });

  it('is refused in any other form', () => {
    const padded = pad(Buffer.from('content'));
    const dirty = Buffer.from(padded);
    dirty.writeUInt8(1, 1000);
    for (const bad of [
      dirty,
      padded.subarray(0, 512),
      Buffer.concat([padded, Buffer.alloc(1024)]),
      Buffer.alloc(3),
    ]) {
      expect(() => unpad(bad, 'test')).toThrow(refused('malformed'));
    }
    const long = Buffer.from(padded);
    long.writeUInt32BE(0xffffffff, 0);
    expect(() => unpad(long, 'test')).toThrow(refused('malformed'));
  });
});
