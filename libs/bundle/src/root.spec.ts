import { describe, expect, it } from '@jest/globals';
import {
  type RootDocument,
  type SigningKey,
  followRoots,
  generateSigningKey,
  loadSigner,
  signRoot,
  trustRoot,
} from './index.js';
import { publicPart, rootDocument } from './test-fleet.js';

const [a, b, c, d, online] = [1, 2, 3, 4, 5].map(generateSigningKey) as [
  SigningKey,
  SigningKey,
  SigningKey,
  SigningKey,
  SigningKey,
];
const role = (threshold: number, ...keys: readonly SigningKey[]) => ({
  threshold,
  keys: keys.map(publicPart),
});
const signers = (...keys: readonly SigningKey[]) =>
  keys.map(({ privateKey }) => loadSigner(privateKey));
const version = (number: number, root: RootDocument['root'], more: Partial<RootDocument> = {}) =>
  rootDocument(a, online, { version: number, root, ...more });
const first = trustRoot(signRoot(version(1, role(2, a, b, c)), signers(a, c)));
const refused = (code: string) => expect.objectContaining({ name: 'RefusedError', code });

describe('the first root document', () => {
  it('needs its own threshold of signatures', () => {
    const signed = (...keys: SigningKey[]) =>
      signRoot(version(1, role(2, a, b, c)), signers(...keys));
    expect(trustRoot(signed(a, b)).document.version).toBe(1);
    expect(() => trustRoot(signed(a))).toThrow(refused('bad-signature'));
    expect(() => trustRoot(signed(a, d))).toThrow(refused('bad-signature'));
    expect(() => trustRoot(signed(d))).toThrow(refused('unknown-key'));
  });

  it('does not count one key twice', () => {
    const signed = signRoot(version(1, role(2, a, b, c)), signers(a));
    const twice = { ...signed, signatures: [...signed.signatures, ...signed.signatures] };
    expect(() => trustRoot(twice)).toThrow(refused('malformed'));
    expect(() => signRoot(version(1, role(2, a, a)), signers(a))).toThrow(refused('malformed'));
  });

  it('cannot ask for more signatures than it has keys, or for none', () => {
    expect(() => signRoot(version(1, role(2, a)), signers(a))).toThrow(refused('malformed'));
    expect(() => signRoot(version(1, role(0, a)), signers(a))).toThrow(refused('malformed'));
  });

  it('is refused with a key under another id, an unknown member, or a later format', () => {
    const renamed = { threshold: 1, keys: [{ keyid: a.keyid, key: b.key }] };
    expect(() => signRoot(version(1, renamed), signers(a))).toThrow(refused('malformed'));
    const extra: RootDocument & { scopes: string } = { ...version(1, role(1, a)), scopes: 'all' };
    expect(() => signRoot(extra, signers(a))).toThrow(refused('malformed'));
    const later = { ...version(1, role(1, a)), v: 2 } as unknown as RootDocument;
    expect(() => signRoot(later, signers(a))).toThrow(refused('unsupported-version'));
  });
});

describe('the next root document', () => {
  const document = version(2, role(2, b, d));

  it('is taken with the thresholds of the old and of the new keys', () => {
    const next = signRoot(document, signers(a, b, d));
    expect(followRoots(first, [next]).document.version).toBe(2);
  });

  it('is refused with the threshold of only one of them', () => {
    expect(() => followRoots(first, [signRoot(document, signers(b, d))])).toThrow(
      refused('bad-signature'),
    );
    expect(() => followRoots(first, [signRoot(document, signers(a, b))])).toThrow(
      refused('bad-signature'),
    );
    const strangers = version(2, role(1, d));
    expect(() => followRoots(first, [signRoot(strangers, signers(d))])).toThrow(
      refused('unknown-key'),
    );
  });

  it('must be the very next one', () => {
    const third = signRoot(version(3, role(2, b, d)), signers(a, b, d));
    expect(() => followRoots(first, [third])).toThrow(refused('root-mismatch'));
    const second = signRoot(document, signers(a, b, d));
    expect(followRoots(first, [second, third]).document.version).toBe(3);
    expect(() => followRoots(first, [third, second])).toThrow(refused('root-mismatch'));
    expect(() => followRoots(first, [first.signed, third])).toThrow(refused('malformed'));
  });

  it('may not lower the epoch', () => {
    const lower = signRoot(version(2, role(1, a), { epoch: '0' }), signers(a, b));
    expect(() => followRoots(first, [lower])).toThrow(refused('root-rollback'));
  });

  it('cannot be another document under the version that is trusted', () => {
    const other = signRoot(version(1, role(1, a)), signers(a, b));
    expect(() => followRoots(first, [other])).toThrow(refused('root-mismatch'));
  });

  it('follows the trusted one also where another document of that version is before it', () => {
    const trusted = followRoots(first, [signRoot(document, signers(a, b, d))]);
    const other = signRoot(version(2, role(2, a, b)), signers(a, b));
    const next = (...by: readonly SigningKey[]) =>
      signRoot(version(3, role(2, b, d)), signers(...by));
    const after = (...chain: readonly unknown[]) => followRoots(trusted, chain).document.version;
    expect(after(first.signed, other, next(a, b, d))).toBe(3);
    // By the keys of the other one alone nothing follows, nor does anything of a lower epoch.
    expect(() => after(other, next(a, b))).toThrow(refused('bad-signature'));
    const lower = signRoot(version(3, role(2, b, d), { epoch: '0' }), signers(a, b, d));
    expect(() => after(other, lower)).toThrow(refused('root-rollback'));
    expect(() => after(first.signed, other)).toThrow(refused('root-mismatch'));
  });

  it('cannot be an older one, however well signed, or none at all', () => {
    const second = followRoots(first, [signRoot(document, signers(a, b, d))]);
    expect(() => followRoots(second, [first.signed])).toThrow(refused('root-rollback'));
    expect(() => followRoots(second, [])).toThrow(refused('malformed'));
  });
});
