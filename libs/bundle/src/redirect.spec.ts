import { describe, expect, it } from '@jest/globals';
import { RefusedError } from './errors.js';
import {
  type RedirectDocument,
  checkRedirect,
  redirectPayload,
  rootBinding,
  signRedirect,
  verifyRedirect,
} from './redirect.js';
import { type RootDocument, type TrustedRoot, followRoots, signRoot, trustRoot } from './root.js';
import { generateSigningKey, loadSigner } from './signing-key.js';

const NODE = 'ab'.repeat(32);
const NOW = 1_800_000_000_000;
const DAY = 86_400_000;

const makeSigner = () => loadSigner(generateSigningKey().privateKey);
const [anna, ben, online, author] = [makeSigner(), makeSigner(), makeSigner(), makeSigner()];
const publicOf = ({ keyid, key }: typeof anna) => ({ keyid, key });
const rootDocument = (over: Partial<RootDocument> = {}): RootDocument => ({
  v: 1,
  version: 1,
  epoch: '1',
  expiresAt: NOW + DAY,
  mode: 'managed',
  root: { threshold: 2, keys: [anna, ben].map(publicOf) },
  authors: [publicOf(author)],
  online: [publicOf(online)],
  ...over,
});
const rootOf = (over: Partial<RootDocument> = {}): TrustedRoot =>
  trustRoot(signRoot(rootDocument(over), [anna, ben]));
const root = rootOf();

const redirect = (over: object = {}): RedirectDocument => ({
  v: 1,
  issuedAt: NOW,
  root: rootBinding(root),
  target: { all: true },
  to: { url: 'https://new.example:7443', caFingerprint: 'cd'.repeat(32) },
  notBefore: NOW,
  expiresAt: NOW + DAY,
  reason: 'another data centre',
  ...over,
});
const stay = (): RedirectDocument => {
  const { v, issuedAt, root: bound, target, reason } = redirect();
  return { v, issuedAt, root: bound, target, reason, stay: true };
};

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'taken';
  } catch (error) {
    if (error instanceof RefusedError) return error.code;
    throw error;
  }
}
const verified = (document: RedirectDocument, signers = [anna, ben], by = root) =>
  verifyRedirect(signRedirect(document, signers), by);
const judged = (document: RedirectDocument, over: object = {}): string =>
  codeOf(() => checkRedirect(verified(document), { nodeId: NODE, now: NOW, ...over }));

describe('a redirect', () => {
  it('counts by as many root keys as the root document asks for', () => {
    expect(verified(redirect()).document).toEqual(redirect());
    expect(codeOf(() => verified(redirect(), [anna]))).toBe('bad-signature');
    expect(codeOf(() => verified(redirect(), [online, author]))).toBe('unknown-key');
  });

  it('is no other document, and no other document is one', () => {
    const signed = signRedirect(redirect(), [anna, ben]);
    expect(codeOf(() => verifyRedirect(signRoot(rootDocument(), [anna, ben]), root))).toBe(
      'malformed',
    );
    expect(codeOf(() => verifyRedirect({ ...signed, payload: 'e30=' }, root))).toBe(
      'bad-signature',
    );
  });

  it('is bound to one root document: not to another fleet of the same keys, a later version or another epoch', () => {
    const elsewhere = rootOf({ online: [publicOf(author)] });
    const signed = signRedirect(redirect(), [anna, ben]);
    expect(codeOf(() => verifyRedirect(signed, elsewhere))).toBe('root-mismatch');
    const next = signRoot(rootDocument({ version: 2, epoch: '2' }), [anna, ben]);
    expect(codeOf(() => verifyRedirect(signed, followRoots(root, [next])))).toBe('root-mismatch');
  });

  it('is for the hosts that it names', () => {
    expect(judged(redirect({ target: { nodeIds: [NODE] } }))).toBe('taken');
    expect(judged(redirect({ target: { nodeIds: ['ef'.repeat(32)] } }))).toBe('not-for-this-node');
  });

  it('counts in its time', () => {
    expect(judged(redirect({ notBefore: NOW + 10 * 60_000 }))).toBe('not-yet-valid');
    expect(judged(redirect(), { now: NOW + DAY })).toBe('expired');
    expect(judged(redirect({ issuedAt: NOW + 10 * 60_000 }))).toBe('not-yet-valid');
  });

  it('counts on a host whose clock is some minutes behind', () => {
    expect(judged(redirect(), { now: NOW - 4 * 60_000 })).toBe('taken');
  });

  it('gives way to a later one, and does not come back; two of one time are none', () => {
    const { digest } = verified(redirect());
    expect(judged(redirect(), { newest: { issuedAt: NOW, digest } })).toBe('taken');
    expect(judged(redirect(), { newest: { issuedAt: NOW + 1, digest } })).toBe('document-rollback');
    const other = { issuedAt: NOW, digest: '00'.repeat(32) };
    expect(judged(redirect(), { newest: other })).toBe('equivocation');
    expect(judged(stay(), { newest: { issuedAt: NOW - 1, digest } })).toBe('taken');
    expect(judged(stay(), { now: NOW + 100 * DAY })).toBe('taken');
  });

  it.each([
    ['plain http', { to: { url: 'http://new.example', caFingerprint: 'cd'.repeat(32) } }],
    ['a path', { to: { url: 'https://new.example/x', caFingerprint: 'cd'.repeat(32) } }],
    ['a password', { to: { url: 'https://a:b@new.example', caFingerprint: 'cd'.repeat(32) } }],
    ['no URL', { to: { url: 'new.example', caFingerprint: 'cd'.repeat(32) } }],
    ['a short fingerprint', { to: { url: 'https://new.example', caFingerprint: 'cd' } }],
    ['no host', { target: { nodeIds: [] } }],
    ['all and some hosts', { target: { all: true, nodeIds: [NODE] } }],
    ['an end before its begin', { expiresAt: NOW }],
    ['a place and that to stay', { stay: true }],
    ['an unknown member', { more: 1 }],
  ])('with %s is not signed', (_what, over) => {
    expect(codeOf(() => redirectPayload(redirect(over)))).toBe('malformed');
  });
});
