import { describe, expect, it } from '@jest/globals';
import { signEnrollment, verifyEnrollment } from './enrollment.js';
import { generateSealingKey } from './channel-key.js';
import { generateSigningKey, loadSigner } from './signing-key.js';

const signing = generateSigningKey();
const { sealingKey } = generateSealingKey();
const redisSecretHash = 'ab'.repeat(32);
const signed = {
  name: 'web1',
  sealingKey,
  redisSecretHash,
  csr: '-----BEGIN CERTIFICATE REQUEST-----\n',
};
const signature = signEnrollment(signed, loadSigner(signing.privateKey));
const request = { ...signed, signingKey: signing.key, signature };
const refused = (code: string) => expect.objectContaining({ name: 'RefusedError', code });

describe('an enrolment', () => {
  it('proves who asks: the node id is the hash of the signing key', () => {
    expect(verifyEnrollment(request)).toBe(signing.keyid);
  });

  it.each([
    { name: 'web2' },
    { sealingKey: generateSealingKey().sealingKey },
    { redisSecretHash: 'cd'.repeat(32) },
    { csr: 'other' },
    { signingKey: generateSigningKey().key },
  ])('is refused when %j was put in by somebody else', (change) => {
    expect(() => verifyEnrollment({ ...request, ...change })).toThrow(refused('bad-signature'));
  });

  it('is refused when a line feed moves the border between name and key', () => {
    expect(() =>
      signEnrollment({ ...signed, name: 'a\nb' }, loadSigner(signing.privateKey)),
    ).toThrow(refused('malformed'));
    expect(() => verifyEnrollment({ ...request, name: 'web1\n' })).toThrow(refused('malformed'));
  });

  it('is refused with keys that are none', () => {
    const zero = Buffer.alloc(32).toString('base64');
    expect(() => verifyEnrollment({ ...request, sealingKey: zero })).toThrow(refused('malformed'));
    expect(() => verifyEnrollment({ ...request, signingKey: 'AAAA' })).toThrow(
      refused('malformed'),
    );
    expect(() => verifyEnrollment({ ...request, signature: 'AAAA' })).toThrow(refused('malformed'));
  });
});
