import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  openCursor,
  openEvents,
  openReport,
  sealCursor,
  sealEvents,
  sealReport,
} from './host-channel.js';
import { generateChannelKey } from './channel-key.js';

const nodeId = 'ab'.repeat(32);
const channelKey = generateChannelKey();
const report = Buffer.from('{"v":1,"policies":["secret-name"]}');
const refused = (code: string) => expect.objectContaining({ name: 'RefusedError', code });

describe('what passes under a channel key', () => {
  it('comes out as it went in, whatever bytes it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 900 }), (bytes) => {
        const pairs = [
          [sealReport, openReport],
          [sealEvents, openEvents],
          [sealCursor, openCursor],
        ] as const;
        for (const [seal, open] of pairs) {
          expect(open(channelKey, nodeId, seal(channelKey, nodeId, bytes)).equals(bytes)).toBe(
            true,
          );
        }
      }),
    );
  });

  it('shows nothing of itself and never looks the same twice', () => {
    const sealed = sealReport(channelKey, nodeId, report);
    expect(sealed.includes('secret-name')).toBe(false);
    expect(sealed.equals(sealReport(channelKey, nodeId, report))).toBe(false);
  });

  it('has a nonce that no other message had, and stays what it is while others are sealed', () => {
    const keys = [channelKey, generateChannelKey(), generateChannelKey()];
    const all = Array.from({ length: 1_500 }, (_, n) => {
      const key = keys[n % keys.length] ?? channelKey;
      return { key, sealed: sealReport(key, nodeId, report) };
    });
    const nonces = new Set(all.map(({ sealed }) => sealed.toString('hex', 10, 22)));
    expect(nonces.size).toBe(all.length);
    for (const { key, sealed } of all)
      expect(openReport(key, nodeId, sealed).equals(report)).toBe(true);
  });

  it('is not taken for another purpose, so nothing sent up can come back down', () => {
    expect(() => openCursor(channelKey, nodeId, sealReport(channelKey, nodeId, report))).toThrow(
      refused('malformed'),
    );
    expect(() => openReport(channelKey, nodeId, sealEvents(channelKey, nodeId, report))).toThrow(
      refused('malformed'),
    );
    const disguised = sealEvents(channelKey, nodeId, report);
    disguised.writeUInt8(2, 1);
    expect(() => openReport(channelKey, nodeId, disguised)).toThrow(refused('unknown-key'));
  });

  it('is refused under another node id', () => {
    const sealed = sealReport(channelKey, nodeId, report);
    expect(() => openReport(channelKey, 'cd'.repeat(32), sealed)).toThrow(refused('bad-seal'));
  });

  it('is told apart from a forgery when it was sealed under an earlier channel key', () => {
    const earlier = sealReport(generateChannelKey(), nodeId, report);
    expect(() => openReport(channelKey, nodeId, earlier)).toThrow(refused('unknown-key'));
  });

  it('is refused when any byte was changed, and at any length when cut', () => {
    const sealed = sealReport(channelKey, nodeId, report);
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(() => openReport(channelKey, nodeId, changed)).toThrow();
      expect(() => openReport(channelKey, nodeId, sealed.subarray(0, at))).toThrow();
    }
  });

  it('is refused above its bound before it is decrypted', () => {
    const long = sealCursor(channelKey, nodeId, Buffer.alloc(2000));
    expect(() => openCursor(channelKey, nodeId, long)).toThrow(refused('too-large'));
  });
});
