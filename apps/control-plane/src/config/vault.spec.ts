import { beforeAll, describe, expect, it } from '@jest/globals';
import { isSealed, Vault, VaultError } from './vault.js';

const PASSPHRASE = 'correct horse battery';
let vault: Vault;
let lock: string;
beforeAll(() => {
  vault = Vault.make();
  lock = vault.lock(PASSPHRASE);
});

describe('a vault', () => {
  it('opens what it sealed, after it was locked and unlocked', () => {
    const sealed = vault.seal('ca.key', 'the key');
    expect(isSealed(sealed)).toBe(true);
    expect(sealed).not.toContain('the key');
    expect(Vault.unlock(lock, PASSPHRASE).open('ca.key', sealed)).toBe('the key');
  });

  it('opens by a new passphrase what it sealed before', () => {
    const sealed = vault.seal('ca.key', 'the key');
    const renewed = Vault.unlock(lock, PASSPHRASE).lock('another passphrase');
    expect(Vault.unlock(renewed, 'another passphrase').open('ca.key', sealed)).toBe('the key');
    expect(() => Vault.unlock(renewed, PASSPHRASE)).toThrow(VaultError);
  });

  it('does not open by another passphrase', () => {
    expect(() => Vault.unlock(lock, 'correct horse batterz')).toThrow(VaultError);
  });

  it('takes no file for another, and none of another vault', () => {
    const sealed = vault.seal('ca.key', 'the key');
    expect(() => vault.open('online.key', sealed)).toThrow(VaultError);
    expect(() => Vault.make().open('ca.key', sealed)).toThrow(VaultError);
  });

  it.each(['', '{}', '{"v":1,"hostward":"vault","kdf":"scrypt-30-8-1","salt":"AA","sealed":"AA"}'])(
    'is not unlocked from %j',
    (text) => {
      expect(() => Vault.unlock(text, PASSPHRASE)).toThrow();
    },
  );
});
