import { describe, expect, it } from '@jest/globals';
import { canonicalBytes } from './canonical.js';
import { payloadTypes, signDocument } from './dsse.js';
import { RefusedError } from './errors.js';
import { generateSigningKey, loadSigner } from './signing-key.js';
import { type HostSignedStatus, signStatus, verifySignedStatus } from './signed-status.js';

const host = loadSigner(generateSigningKey().privateKey);
const other = loadSigner(generateSigningKey().privateKey);
const signedStatus: HostSignedStatus = {
  ...({ v: 1, nodeId: host.keyid, bootedAt: 1, sequence: 2, at: 3, asOf: 3 } as const),
  applied: { epoch: '1', generation: '7', issuedAt: 2, digest: 'd'.repeat(64) },
  ...({ rootVersion: 2, enforcer: 'apparmor', mode: 'enforce', conditions: ['stale'] } as const),
  suspension: { mode: 'audit', until: 9, by: 'console' },
  policies: [
    { name: 'a', document: { version: 1, digest: 'e'.repeat(64) }, states: { enforced: 2 } },
    { name: 'b', states: { failed: 1 } },
  ],
  auditLog: [],
};

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'taken';
  } catch (error) {
    return error instanceof RefusedError ? error.code : String(error);
  }
};
const raw = (content: unknown, type: string = payloadTypes.signedStatus) =>
  signDocument(type, canonicalBytes(content), [host]);

describe('the signed status of a host', () => {
  it('is read by whoever knows the node id and is handed the key', () => {
    const signed = signStatus(signedStatus, host);
    expect(verifySignedStatus(signed, host.key, host.keyid)).toEqual(signedStatus);
  });

  it('counts under no other key, id or type, and with no bit changed', () => {
    const signed = signStatus(signedStatus, host);
    expect(codeOf(() => verifySignedStatus(signed, other.key, host.keyid))).toBe('unknown-key');
    expect(codeOf(() => verifySignedStatus(signed, other.key, other.keyid))).toBe('unknown-key');
    const payload = canonicalBytes({ ...signedStatus, mode: 'off' }).toString('base64');
    const changed = { ...signed, payload };
    expect(codeOf(() => verifySignedStatus(changed, host.key, host.keyid))).toBe('bad-signature');
    const typed = raw(signedStatus, payloadTypes.policy);
    expect(codeOf(() => verifySignedStatus(typed, host.key, host.keyid))).toBe('malformed');
  });

  it('speaks of its signer only', () => {
    const lent = { ...signedStatus, nodeId: other.keyid };
    expect(codeOf(() => signStatus(lent, host))).toBe('not-for-this-node');
    expect(codeOf(() => verifySignedStatus(raw(lent), host.key, host.keyid))).toBe(
      'not-for-this-node',
    );
  });

  const [a, b] = signedStatus.policies;
  it.each([
    ['an unknown member', { ...signedStatus, more: 1 }, 'malformed'],
    ['another version', { ...signedStatus, v: 2 }, 'unsupported-version'],
    ['a policy twice', { ...signedStatus, policies: [a, a] }, 'malformed'],
    ['policies out of order', { ...signedStatus, policies: [b, a] }, 'malformed'],
    ['a negative count', { ...signedStatus, policies: [{ ...b, states: { failed: -1 } }] }],
    ['a mode that there is not', { ...signedStatus, mode: 'x' }, 'malformed'],
    ['too many heads', { ...signedStatus, auditLog: Array(9).fill({}) }, 'too-large'],
    [
      'an assignment version that is none',
      { ...signedStatus, applied: { ...signedStatus.applied, epoch: '01' } },
    ],
  ])('is refused with %s', (_title, content, code = 'malformed') => {
    expect(codeOf(() => verifySignedStatus(raw(content), host.key, host.keyid))).toBe(code);
  });
});
