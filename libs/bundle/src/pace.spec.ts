import { describe, expect, it } from '@jest/globals';
import { canonicalBytes } from './canonical.js';
import { payloadTypes, signDocument } from './dsse.js';
import { signPace, verifyPace, type PaceOrder } from './pace.js';
import { generateSigningKey, loadSigner } from './signing-key.js';

const [online, other] = [generateSigningKey(), generateSigningKey()];
const signer = loadSigner(online.privateKey);
const order: PaceOrder = { v: 1, at: 1_000, reportEveryMs: 60_000 };

describe('the pace at which hosts report', () => {
  it('is what an online key signed', () => {
    expect(verifyPace(signPace(order, signer), [online])).toEqual(order);
    expect(() => verifyPace(signPace(order, signer), [other])).toThrow('pace');
  });

  it.each([9_999, 60_001, 0, 20_000.5])('is not %d ms, whoever signed it', (reportEveryMs) => {
    expect(() => signPace({ ...order, reportEveryMs }, signer)).toThrow('reportEveryMs');
    const bytes = canonicalBytes({ ...order, reportEveryMs });
    const signed = signDocument(payloadTypes.pace, bytes, [signer]);
    expect(() => verifyPace(signed, [online])).toThrow('reportEveryMs');
  });

  it('is no other document of the same key', () => {
    const signed = signDocument(payloadTypes.commit, canonicalBytes(order), [signer]);
    expect(() => verifyPace(signed, [online])).toThrow();
  });
});
