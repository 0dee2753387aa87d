import { describe, expect, it } from '@jest/globals';
import { isSshSignature } from './ssh-signature.js';

/** Made by OpenSSH 10: `printf hello | ssh-keygen -Y sign -n hostward-enroll`, and the same with `-n git`. */
const SIGNATURE = `-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgSzH1XpJvb1uusf+sS30GEWH7nn
yv28h9Id+m+BxlSyIAAAAPaG9zdHdhcmQtZW5yb2xsAAAAAAAAAAZzaGE1MTIAAABTAAAA
C3NzaC1lZDI1NTE5AAAAQM8x3+0Bi8BZXc/cxMWSbdLoAGyhR8Wsi1+oK90irV39vU04pd
vp7dBx4TbFN3+HCfZFOCSVsrqhgxK57d16vwQ=
-----END SSH SIGNATURE-----
`;
const FOR_GIT = `-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgSzH1XpJvb1uusf+sS30GEWH7nn
yv28h9Id+m+BxlSyIAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
AAAAQIceojTyyuXksKiiLhfPGUDkJiw+DwhNUe5H0PKDn47QdpOnqzedFahd+/kCaGBjw/
9mXtGWWg75fKY2ai4wDg4=
-----END SSH SIGNATURE-----
`;
const by = {
  key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEsx9V6Sb29brrH/rEt9BhFh+558r9vIfSHfpvgcZUsi',
  namespace: 'hostward-enroll',
};
const HELLO = Buffer.from('hello');
const armored = (blob: Buffer): string =>
  `-----BEGIN SSH SIGNATURE-----\n${blob.toString('base64')}\n-----END SSH SIGNATURE-----\n`;
const BLOB = Buffer.from(SIGNATURE.split('\n').slice(1, -2).join(''), 'base64');

describe('a signature of ssh-keygen', () => {
  it('holds for its key, its text and its purpose', () => {
    expect(isSshSignature(SIGNATURE, HELLO, by)).toBe(true);
    expect(isSshSignature(armored(BLOB), HELLO, by)).toBe(true);
    expect(isSshSignature(FOR_GIT, HELLO, { ...by, namespace: 'git' })).toBe(true);
  });

  it('does not hold for another text, key or purpose', () => {
    const other = { ...by, key: `${by.key.slice(0, -4)}AAAA` };
    expect(isSshSignature(SIGNATURE, Buffer.from('hellp'), by)).toBe(false);
    expect(isSshSignature(SIGNATURE, HELLO, other)).toBe(false);
    expect(isSshSignature(FOR_GIT, HELLO, by)).toBe(false);
  });

  it('does not hold with any bit of it changed, nor cut anywhere, nor with more after it', () => {
    for (let at = 0; at < BLOB.length; at += 1) {
      const changed = Buffer.from(BLOB);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect([at, isSshSignature(armored(changed), HELLO, by)]).toEqual([at, false]);
      expect(isSshSignature(armored(BLOB.subarray(0, at)), HELLO, by)).toBe(false);
    }
    expect(isSshSignature(armored(Buffer.concat([BLOB, BLOB])), HELLO, by)).toBe(false);
  });

  it('is none without its armour, and nonsense is nobody’s', () => {
    for (const text of ['', 'nonsense', BLOB.toString('base64'), armored(Buffer.alloc(2_000, 255))])
      expect(isSshSignature(text, HELLO, by)).toBe(false);
  });
});
