import { describe, expect, it } from '@jest/globals';
import { KeyRing, preAuthEncoding, signDocument, verifyDocument } from './dsse.js';
import { generateKeyPairSync } from 'node:crypto';
import { generateSigningKey, keyIdOf, loadSigner, verifySignature } from './signing-key.js';

const key = generateSigningKey();
const signer = loadSigner(key.privateKey);
const payload = Buffer.from('{"v":1}');
const TYPE = 'application/vnd.hostward.policy+json';
const trust = { payloadType: TYPE, keys: new KeyRing([key]), threshold: 1, maxBytes: 100 };
const signed = signDocument(TYPE, payload, [signer]);
const refused = (code: string) => expect.objectContaining({ name: 'RefusedError', code });

describe('the pre-authentication encoding', () => {
  it('is the one of the DSSE specification’s own example', () => {
    const encoded = preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world'));
    expect(encoded.toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  it('counts bytes, not characters', () => {
    expect(preAuthEncoding('é', Buffer.from('ü')).toString()).toBe('DSSEv1 2 é 2 ü');
  });
});

describe('a signed document', () => {
  it('gives back the very bytes that were signed', () => {
    expect(verifyDocument(signed, trust, 'test').equals(payload)).toBe(true);
  });

  it('is refused as another type, even with the right signature over the payload', () => {
    const other = { ...trust, payloadType: 'application/vnd.hostward.commit+json' };
    expect(() => verifyDocument(signed, other, 'test')).toThrow(refused('malformed'));
    const renamed = { ...signed, payloadType: other.payloadType };
    expect(() => verifyDocument(renamed, other, 'test')).toThrow(refused('bad-signature'));
  });

  it('is refused when a signature of a known key is wrong, whatever the others are', () => {
    const second = generateSigningKey();
    const both = signDocument(TYPE, payload, [signer, loadSigner(second.privateKey)]);
    const [one, two] = both.signatures;
    const broken = { ...both, signatures: [one, { keyid: two?.keyid, sig: one?.sig }] };
    const keys = new KeyRing([key, second]);
    expect(() => verifyDocument(broken, { ...trust, keys }, 'test')).toThrow(
      refused('bad-signature'),
    );
    expect(verifyDocument(both, trust, 'test').equals(payload)).toBe(true);
  });

  it.each([
    ['no signature', { ...signed, signatures: [] }],
    ['an unknown member', { ...signed, more: 1 }],
    ['url-safe base64', { ...signed, payload: signed.payload.replace(/=*$/, '') }],
    ['a line feed in the base64', { ...signed, payload: `${signed.payload}\n` }],
    ['a payload that is no text', { ...signed, payload: 7 }],
    ['a list', [signed]],
    ['null', null],
  ])('is refused with %s', (_what, value) => {
    expect(() => verifyDocument(value, trust, 'test')).toThrow(refused('malformed'));
  });

  it('is refused when it is larger than the bound, before its signature is looked at', () => {
    const big = signDocument(TYPE, Buffer.alloc(200), [
      loadSigner(generateSigningKey().privateKey),
    ]);
    expect(() => verifyDocument(big, trust, 'test')).toThrow(refused('too-large'));
  });
});

describe('keys', () => {
  it('sign as RFC 8032 says', () => {
    const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
    const pkcs8 = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex').toString('base64');
    const rfc = loadSigner(pkcs8);
    expect(Buffer.from(rfc.key, 'base64').toString('hex')).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    );
    expect(rfc.sign(Buffer.alloc(0)).toString('hex')).toBe(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155' +
        '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    );
  });

  it('are known by the hash of their raw bytes', () => {
    expect(keyIdOf(key.key)).toBe(key.keyid);
    expect(verifySignature(key.key, payload, signer.sign(payload))).toBe(true);
    expect(verifySignature(key.key, Buffer.from('{"v":2}'), signer.sign(payload))).toBe(false);
    expect(() => keyIdOf('AAAA')).toThrow(refused('malformed'));
  });

  it('of another kind are not taken for signing', () => {
    const { privateKey } = generateKeyPairSync('ed448');
    const der = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
    expect(() => loadSigner(der)).toThrow(refused('malformed'));
  });
});
