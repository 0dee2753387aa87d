import { beforeEach, describe, expect, it } from '@jest/globals';
import { decodeChannelKey, encodeChannelKey } from './channel-key.record.js';
import { ChannelKeyLockedError, KeyEncryptionKeys } from './key-encryption-keys.js';

const OWNER = { nodeId: 'a'.repeat(64), epoch: '1' };
const HOST_KEY = Buffer.alloc(32, 7);
const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const keks = new KeyEncryptionKeys([OLD]);
let stored: string;
beforeEach(() => {
  stored = encodeChannelKey(HOST_KEY, OWNER, 'sealed', keks);
});

const change = (more: object) =>
  Buffer.from(JSON.stringify({ ...(JSON.parse(stored) as object), ...more }));

describe('a channel key in etcd', () => {
  it('opens again under the key that wrapped it, and is nowhere in what is stored', () => {
    expect(decodeChannelKey(Buffer.from(stored), keks).channelKey).toEqual(HOST_KEY);
    expect(stored).not.toContain(HOST_KEY.toString('base64').slice(0, 20));
    expect(stored).not.toBe(encodeChannelKey(HOST_KEY, OWNER, 'sealed', keks));
  });

  it('opens under an older key, while the newer one wraps', () => {
    const both = new KeyEncryptionKeys([NEW, OLD]);
    expect(decodeChannelKey(Buffer.from(stored), both)).toMatchObject({ kek: keks.id });
    const again = encodeChannelKey(HOST_KEY, OWNER, 'sealed', both);
    expect(decodeChannelKey(Buffer.from(again), new KeyEncryptionKeys([NEW])).kek).toBe(both.id);
  });

  it.each([
    ['of another host', { nodeId: 'b'.repeat(64) }],
    ['of another epoch', { epoch: '2' }],
    ['of zeros', { wrappedChannelKey: 'A'.repeat(80) }],
  ])('does not open as one %s', (_title, more) => {
    expect(() => decodeChannelKey(change(more), keks)).toThrow(ChannelKeyLockedError);
  });

  it('says under which key it is where that one is not there', () => {
    const other = new KeyEncryptionKeys([NEW]);
    expect(() => decodeChannelKey(Buffer.from(stored), other)).toThrow(keks.id);
  });

  it('is not read as one in the clear', () => {
    const clear = change({ channelKey: HOST_KEY.toString('base64') });
    expect(() => decodeChannelKey(clear, keks)).toThrow(/channelKey/);
  });

  it('holds no more memory than its 32 bytes, for as many hosts as there are', () => {
    expect(decodeChannelKey(Buffer.from(stored), keks).channelKey.buffer.byteLength).toBe(32);
  });

  it('opens for ten thousand hosts in a snapshot', () => {
    const bytes = Buffer.from(stored);
    for (let i = 0; i < 10_000; i += 1) decodeChannelKey(bytes, keks);
    expect(keks.id).toMatch(/^[0-9a-f]{16}$/);
  });

  it.each(['', 'AAAA', `${OLD.toString('base64')}\nAAAA`])('is not wrapped under %j', (text) => {
    expect(() => KeyEncryptionKeys.parse(text)).toThrow(/32 bytes/);
  });
});
