import { describe, expect, it } from '@jest/globals';
import { canonicalBytes } from './canonical.js';
import { payloadTypes, signDocument } from './dsse.js';
import { RefusedError } from './errors.js';
import { generateSigningKey, loadSigner } from './signing-key.js';
import { type HostStatement, signStatement, verifyStatement } from './statement.js';

const host = loadSigner(generateSigningKey().privateKey);
const other = loadSigner(generateSigningKey().privateKey);
const statement: HostStatement = {
  ...({ v: 1, nodeId: host.keyid, bootedAt: 1, sequence: 2, at: 3, asOf: 3 } as const),
  applied: { epoch: '1', generation: '7', issuedAt: 2, digest: 'd'.repeat(64) },
  ...({ rootVersion: 2, enforcer: 'apparmor', mode: 'enforce', qualifiers: ['stale'] } as const),
  suspension: { mode: 'audit', until: 9, by: 'console' },
  policies: [
    { name: 'a', document: { version: 1, digest: 'e'.repeat(64) }, states: { enforced: 2 } },
    { name: 'b', states: { failed: 1 } },
  ],
  journal: [],
};

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'taken';
  } catch (error) {
    return error instanceof RefusedError ? error.code : String(error);
  }
};
const raw = (content: unknown, type: string = payloadTypes.statement) =>
  signDocument(type, canonicalBytes(content), [host]);

describe('the statement of a host', () => {
  it('is read by whoever knows the node id and is handed the key', () => {
    const signed = signStatement(statement, host);
    expect(verifyStatement(signed, host.key, host.keyid)).toEqual(statement);
  });

  it('counts under no other key, id or type, and with no bit changed', () => {
    const signed = signStatement(statement, host);
    expect(codeOf(() => verifyStatement(signed, other.key, host.keyid))).toBe('unknown-key');
    expect(codeOf(() => verifyStatement(signed, other.key, other.keyid))).toBe('unknown-key');
    const payload = canonicalBytes({ ...statement, mode: 'off' }).toString('base64');
    const changed = { ...signed, payload };
    expect(codeOf(() => verifyStatement(changed, host.key, host.keyid))).toBe('bad-signature');
    const typed = raw(statement, payloadTypes.policy);
    expect(codeOf(() => verifyStatement(typed, host.key, host.keyid))).toBe('malformed');
  });

  it('speaks of its signer only', () => {
    const lent = { ...statement, nodeId: other.keyid };
    expect(codeOf(() => signStatement(lent, host))).toBe('not-for-this-node');
    expect(codeOf(() => verifyStatement(raw(lent), host.key, host.keyid))).toBe(
      'not-for-this-node',
    );
  });

  const [a, b] = statement.policies;
  it.each([
    ['an unknown member', { ...statement, more: 1 }, 'malformed'],
    ['another version', { ...statement, v: 2 }, 'unsupported-version'],
    ['a policy twice', { ...statement, policies: [a, a] }, 'malformed'],
    ['policies out of order', { ...statement, policies: [b, a] }, 'malformed'],
    ['a negative count', { ...statement, policies: [{ ...b, states: { failed: -1 } }] }],
    ['a mode that there is not', { ...statement, mode: 'x' }, 'malformed'],
    ['too many heads', { ...statement, journal: Array(9).fill({}) }, 'too-large'],
    ['an ordering that is none', { ...statement, applied: { ...statement.applied, epoch: '01' } }],
  ])('is refused with %s', (_title, content, code = 'malformed') => {
    expect(codeOf(() => verifyStatement(raw(content), host.key, host.keyid))).toBe(code);
  });
});
