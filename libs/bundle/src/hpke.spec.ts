import { createCipheriv, generateKeyPairSync } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { describe, expect, it } from '@jest/globals';
import { keySchedule, openOnce, scheduleContext, sealOnce, suiteId } from './hpke.js';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** RFC 9180, appendix A.1.1: base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM. */
const A1 = {
  info: hex('4f6465206f6e2061204772656369616e2055726e'),
  sharedSecret: hex('fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc'),
  context: hex(
    '00725611c9d98c07c03f60095cd32d400d8347d45ed67097bbad50fc56da742d07cb6cffde367bb0565ba28bb02c90744a20f5ef37f30523526106f637abb05449',
  ),
  key: hex('4531685d41d65f03dc48f6b8302c05b0'),
  nonce: hex('56d890e5accaaf011cff4b7d'),
  plaintext: hex('4265617574792069732074727574682c20747275746820626561757479'),
  aad: hex('436f756e742d30'),
  ciphertext: hex(
    'f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a',
  ),
};

/** RFC 9180, appendix A.2.1: the same with ChaCha20Poly1305, whose keys have 32 bytes. */
const A2 = {
  info: hex('4f6465206f6e2061204772656369616e2055726e'),
  sharedSecret: hex('0bbe78490412b4bbea4812666f7916932b828bba79942424abb65244930d69a7'),
  key: hex('ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91'),
  nonce: hex('5c4d98150661b848853b547f'),
};

/** RFC 7748, 6.1: with these any private key gives zero. */
const SMALL_ORDER = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
];

describe('the key schedule of RFC 9180', () => {
  it('gives key, nonce and ciphertext of A.1', () => {
    const suite = { id: suiteId('002000010001'), keyBytes: 16 };
    const context = scheduleContext(A1.info, suite);
    expect(context).toEqual(A1.context);
    const { key, nonce } = keySchedule(A1.sharedSecret, context, suite);
    expect({ key, nonce }).toEqual({ key: A1.key, nonce: A1.nonce });
    const cipher = createCipheriv('aes-128-gcm', key, nonce).setAAD(A1.aad);
    const sealed = Buffer.concat([
      cipher.update(A1.plaintext),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    expect(sealed).toEqual(A1.ciphertext);
  });

  it('gives key and nonce of A.2', () => {
    const suite = { id: suiteId('002000010003'), keyBytes: 32 };
    const schedule = keySchedule(A2.sharedSecret, scheduleContext(A2.info, suite), suite);
    expect(schedule).toEqual({ key: A2.key, nonce: A2.nonce });
  });
});

describe('what is sealed', () => {
  const suite = new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  });
  const own = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

  it('is opened by another implementation, and only with the same info and aad', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('x25519');
    const recipientKey = await suite.kem.importKey(
      'jwk',
      privateKey.export({ format: 'jwk' }),
      false,
    );
    for (let length = 0; length < 100; length += 33) {
      const plaintext = Buffer.alloc(length, length);
      const sealed = await sealOnce(
        publicKey,
        scheduleContext(Buffer.from('i')),
        Buffer.from('a'),
        plaintext,
      );
      const open = async (info: string, aad: string): Promise<Buffer> => {
        const context = await suite.createRecipientContext({
          recipientKey,
          enc: own(sealed.subarray(0, 32)),
          info: own(Buffer.from(info)),
        });
        return Buffer.from(await context.open(own(sealed.subarray(32)), own(Buffer.from(aad))));
      };
      expect(await open('i', 'a')).toEqual(plaintext);
      await expect(open('j', 'a')).rejects.toThrow();
      await expect(open('i', 'b')).rejects.toThrow();
    }
  });

  it('by another implementation is opened here, and only with the same key, info and aad', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('x25519');
    const { privateKey: other } = generateKeyPairSync('x25519');
    const recipientPublicKey = await suite.kem.importKey(
      'jwk',
      publicKey.export({ format: 'jwk' }),
    );
    const plaintext = Buffer.from('a channel key of 32 bytes, or so....');
    const sender = await suite.createSenderContext({
      recipientPublicKey,
      info: own(Buffer.from('i')),
    });
    const ciphertext = await sender.seal(own(plaintext), own(Buffer.from('a')));
    const sealed = Buffer.concat([Buffer.from(sender.enc), Buffer.from(ciphertext)]);
    const open = (key: typeof privateKey, info: string, aad: string): Buffer =>
      openOnce(key, scheduleContext(Buffer.from(info)), Buffer.from(aad), sealed);
    expect(open(privateKey, 'i', 'a')).toEqual(plaintext);
    expect(() => open(privateKey, 'j', 'a')).toThrow();
    expect(() => open(privateKey, 'i', 'b')).toThrow();
    expect(() => open(other, 'i', 'a')).toThrow();
  });

  it('to a point of small order is not opened, whatever else is right', () => {
    const { privateKey } = generateKeyPairSync('x25519');
    const context = scheduleContext(Buffer.from('i'));
    for (const point of SMALL_ORDER)
      expect(() =>
        openOnce(
          privateKey,
          context,
          Buffer.alloc(0),
          Buffer.concat([hex(point), Buffer.alloc(48)]),
        ),
      ).toThrow(/^(?!.*authenticate)/);
  });
});
