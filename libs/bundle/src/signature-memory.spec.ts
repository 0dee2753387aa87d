import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ClaimedSignature,
  forgetSignatures,
  isGoodSignature,
  verifyAhead,
} from './signature-memory.js';
import { ed25519KeyObject, generateSigningKey, loadSigner } from './signing-key.js';

function claim(message = randomBytes(40)): ClaimedSignature {
  const { key, privateKey } = generateSigningKey();
  return {
    key: { object: ed25519KeyObject(key), raw: Buffer.from(key, 'base64') },
    message,
    signature: loadSigner(privateKey).sign(message),
  };
}

function flipped(bytes: Uint8Array): Buffer {
  const changed = Buffer.from(bytes);
  changed[5] = (changed[5] ?? 0) ^ 1;
  return changed;
}

describe('a remembered signature', () => {
  beforeEach(forgetSignatures);

  it('is good again, and lends that to no other key, message or signature', async () => {
    const [known, other] = [claim(), claim()];
    await verifyAhead([known, other, ...Array.from({ length: 8 }, () => claim())]);
    expect(isGoodSignature(known)).toBe(true);
    expect(isGoodSignature(known)).toBe(true);
    expect(isGoodSignature({ ...known, message: flipped(known.message) })).toBe(false);
    expect(isGoodSignature({ ...known, signature: flipped(known.signature) })).toBe(false);
    expect(isGoodSignature({ ...known, key: other.key })).toBe(false);
    expect(isGoodSignature({ ...other, signature: known.signature })).toBe(false);
  });

  it('was good: a wrong one stays wrong after it was verified ahead, and does not harm the others', async () => {
    const [good, bad] = [claim(), { ...claim(), message: randomBytes(8) }];
    await verifyAhead([bad, good, ...Array.from({ length: 8 }, () => bad)]);
    expect([isGoodSignature(bad), isGoodSignature(bad), isGoodSignature(good)]).toEqual([
      false,
      false,
      true,
    ]);
  });
});
