import { describe, expect, it } from '@jest/globals';
import {
  generateSigningKey,
  loadSigner,
  rootBinding,
  signRedirect,
  signRoot,
  trustRoot,
} from '#bundle';
import { etcdKeys } from '#etcd';
import { FleetState } from '../store/fleet-state.js';
import { AT, put, snapshot } from '../testing/records.js';
import { keptRedirects, redirectFor, redirectState } from './redirect-order.js';

const key = generateSigningKey();
const keys = [{ keyid: key.keyid, key: key.key }];
const signer = loadSigner(key.privateKey);
const root = trustRoot(
  signRoot(
    {
      ...({ v: 1, version: 1, epoch: '1', expiresAt: 4_000_000_000_000, mode: 'managed' } as const),
      ...{ root: { threshold: 1, keys }, authors: [], online: keys },
    },
    [signer],
  ),
);
const NODE = 'a'.repeat(64);
const NOW_MS = 5_000;

/** A redirect of all hosts that was signed at this time, under this name. */
function putRedirect(name: string, issuedAt: number) {
  const envelope = signRedirect(
    {
      ...({ v: 1, issuedAt, root: rootBinding(root), target: { all: true } } as const),
      ...{ reason: 'moved', notBefore: issuedAt, expiresAt: 9_000 },
      to: { url: 'https://new.example:7443', caFingerprint: 'cd'.repeat(32) },
    },
    [signer],
  );
  return put(etcdKeys.redirect(name), { v: 1, envelope, by: 'admin', at: AT });
}

describe('redirects in etcd', () => {
  it('under a name that is no time are named, and the others go on', () => {
    const state = new FleetState();
    const odd = ['x', '1e3', '-5', '12345678901234567'].map((name) => putRedirect(name, 4_000));
    state.apply(snapshot(9n, ...odd, putRedirect('900', 900), putRedirect('1000', 1_000)));
    const kept = keptRedirects(state, root);
    expect(kept.map(({ id }) => id)).toEqual(['1000', '900']);
    expect(redirectFor(kept, NODE, NOW_MS)?.id).toBe('1000');
    expect([...state.unreadable.keys()]).toEqual(
      expect.arrayContaining(odd.map((each) => each.key)),
    );
  });

  it('that were signed, and lie under another name than their time, lead nobody anywhere', () => {
    const state = new FleetState();
    const moved = [putRedirect('3000', 2_000), putRedirect('01000', 1_000)];
    state.apply(snapshot(9n, ...moved, putRedirect('2000', 2_000)));
    const kept = keptRedirects(state, root);
    const states = kept.map((each) => [each.id, redirectState(kept, each, NOW_MS)]);
    expect(states).toEqual([
      ['3000', 'void'],
      ['2000', 'in-force'],
      ['01000', 'void'],
    ]);
    expect(redirectFor(kept, NODE, NOW_MS)?.id).toBe('2000');
  });
});
