import {
  createHmac,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  decapsulate,
} from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  checkSealingKey,
  generateChannelKey,
  generateSealingKey,
  openChannelKey,
  rememberingOpener,
  sealChannelKey,
} from './channel-key.js';

const nodeId = 'ab'.repeat(32);
const pair = generateSealingKey();
const refused = (code: string) => expect.objectContaining({ name: 'RefusedError', code });

describe('a channel key', () => {
  it('reaches the host that it was sealed to', async () => {
    const channelKey = generateChannelKey();
    const sealed = await sealChannelKey(channelKey, { ...pair, nodeId, epoch: '1' });
    const opened = await openChannelKey(sealed, {
      privateKey: pair.privateKey,
      nodeId,
      epoch: '1',
    });
    expect(opened.equals(channelKey)).toBe(true);
  });

  it('opens for no other key, node or epoch', async () => {
    const sealed = await sealChannelKey(generateChannelKey(), { ...pair, nodeId, epoch: '1' });
    const own = { privateKey: pair.privateKey, nodeId, epoch: '1' };
    const others = [
      { privateKey: generateSealingKey().privateKey },
      { nodeId: 'cd'.repeat(32) },
      { epoch: '2' },
    ];
    for (const other of others) {
      await expect(openChannelKey(sealed, { ...own, ...other })).rejects.toThrow(
        refused('not-for-this-node'),
      );
    }
  });

  it('is opened by one that remembers as by one that does not', async () => {
    const channelKey = generateChannelKey();
    const sealed = await sealChannelKey(channelKey, { ...pair, nodeId, epoch: '1' });
    const own = { privateKey: pair.privateKey, nodeId, epoch: '1' };
    const open = rememberingOpener();
    (await open(sealed, own)).fill(0);
    expect((await open(sealed, own)).equals(channelKey)).toBe(true);
    await expect(open(sealed, { ...own, epoch: '2' })).rejects.toThrow(
      refused('not-for-this-node'),
    );
    const next = generateChannelKey();
    const sealedNext = await sealChannelKey(next, { ...pair, nodeId, epoch: '2' });
    expect((await open(sealedNext, { ...own, epoch: '2' })).equals(next)).toBe(true);
  });

  it('does not open when any of its bytes was changed or it was cut', async () => {
    const sealed = Buffer.from(
      await sealChannelKey(generateChannelKey(), { ...pair, nodeId, epoch: '1' }),
      'base64',
    );
    const own = { privateKey: pair.privateKey, nodeId, epoch: '1' };
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x40, at);
      await expect(openChannelKey(changed.toString('base64'), own)).rejects.toThrow(
        refused('not-for-this-node'),
      );
    }
    const cut = sealed.subarray(0, 79).toString('base64');
    await expect(openChannelKey(cut, own)).rejects.toThrow(refused('malformed'));
  });

  it('is not sealed to a key of small order or a wrong length', async () => {
    const zero = Buffer.alloc(32).toString('base64');
    expect(() => checkSealingKey(zero)).toThrow(refused('malformed'));
    expect(() => checkSealingKey('AAAA')).toThrow(refused('malformed'));
    expect(() => checkSealingKey(pair.sealingKey)).not.toThrow();
    await expect(
      sealChannelKey(generateChannelKey(), { sealingKey: zero, nodeId, epoch: '1' }),
    ).rejects.toThrow();
  });

  it('is read by a second implementation of RFC 9180, written here on what Node has', async () => {
    const channelKey = generateChannelKey();
    const sealed = Buffer.from(
      await sealChannelKey(channelKey, { ...pair, nodeId, epoch: '7' }),
      'base64',
    );
    expect(openByHand(sealed, pair.privateKey, `${nodeId}\0${7}`).equals(channelKey)).toBe(true);
  });
});

/** RFC 9180, base mode, KEM 0x0020, KDF 0x0001, AEAD 0x0002; Node's decapsulate does DHKEM (RFC 9180, 4.1). */
function openByHand(sealed: Buffer, privateKeyBase64: string, aad: string): Buffer {
  const der = Buffer.from(privateKeyBase64, 'base64');
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  expect(createPublicKey(privateKey).asymmetricKeyType).toBe('x25519');
  const shared = Buffer.from(decapsulate(privateKey, sealed.subarray(0, 32)));
  const suite = Buffer.concat([Buffer.from('HPKE'), Buffer.from('002000010002', 'hex')]);
  const pskIdHash = extract(Buffer.alloc(0), suite, 'psk_id_hash', Buffer.alloc(0));
  const infoHash = extract(
    Buffer.alloc(0),
    suite,
    'info_hash',
    Buffer.from('hostward/v1/channel-key'),
  );
  const context = Buffer.concat([Buffer.of(0), pskIdHash, infoHash]);
  const secret = extract(shared, suite, 'secret', Buffer.alloc(0));
  const key = expand(secret, suite, 'key', context, 32);
  const decipher = createDecipheriv(
    'aes-256-gcm',
    key,
    expand(secret, suite, 'base_nonce', context, 12),
  );
  decipher.setAAD(Buffer.from(aad)).setAuthTag(sealed.subarray(64));
  return Buffer.concat([decipher.update(sealed.subarray(32, 64)), decipher.final()]);
}

function extract(salt: Buffer, suite: Buffer, label: string, input: Buffer): Buffer {
  const labeled = Buffer.concat([Buffer.from('HPKE-v1'), suite, Buffer.from(label), input]);
  return createHmac('sha256', salt).update(labeled).digest();
}

/** One block of HKDF is enough: no output here is longer than a hash. */
function expand(key: Buffer, suite: Buffer, label: string, info: Buffer, length: number): Buffer {
  const labeled = Buffer.concat([
    Buffer.of(0, length),
    Buffer.from('HPKE-v1'),
    suite,
    Buffer.from(label),
    info,
  ]);
  return createHmac('sha256', key)
    .update(labeled)
    .update(Buffer.of(1))
    .digest()
    .subarray(0, length);
}
