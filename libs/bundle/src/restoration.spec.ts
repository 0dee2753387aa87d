import { describe, expect, it } from '@jest/globals';
import { signAuditLogHead } from './audit-log.js';
import { signRestoration, verifyRestoration } from './restoration.js';
import { generateSigningKey, loadSigner } from './signing-key.js';

const signer = loadSigner(generateSigningKey().privateKey);
const restoration = { v: 1, backupAt: 1, restoredAt: 2, revision: 3, goesOnAt: 1_000_003 } as const;

describe('the word that a control plane was restored', () => {
  it('is read as it was signed', () => {
    expect(verifyRestoration(signRestoration(restoration, signer), [signer])).toEqual(restoration);
  });

  it('is nobody else’s, and no other document', () => {
    const other = loadSigner(generateSigningKey().privateKey);
    const head = signAuditLogHead({ v: 1, seq: 1, hash: 'a'.repeat(64), at: 1 }, signer);
    expect(() => verifyRestoration(signRestoration(restoration, other), [signer])).toThrow();
    expect(() => verifyRestoration(head, [signer])).toThrow();
    expect(() => verifyRestoration({ v: 1 }, [signer])).toThrow();
  });
});
