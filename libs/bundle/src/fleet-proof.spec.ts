import { describe, expect, it } from '@jest/globals';
import { type FleetProof, signFleetProof, verifyFleetProof } from './fleet-proof.js';
import type { RootDocument } from './root.js';
import { generateSigningKey, loadSigner } from './signing-key.js';

const [online, stranger] = [generateSigningKey(), generateSigningKey()].map(({ privateKey }) =>
  loadSigner(privateKey),
) as [ReturnType<typeof loadSigner>, ReturnType<typeof loadSigner>];
const root = { online: [{ keyid: online.keyid, key: online.key }] } as unknown as RootDocument;
const proof: FleetProof = {
  v: 1,
  nodeId: 'ab'.repeat(32),
  challenge: 'cd'.repeat(32),
  authority: 'ef'.repeat(32),
  epoch: '1',
  generation: '5',
  at: 1,
};

describe('the proof that a control plane is of the fleet', () => {
  it('counts by an online key of the root document, and by no other', () => {
    expect(verifyFleetProof(signFleetProof(proof, online), root)).toEqual(proof);
    expect(() => verifyFleetProof(signFleetProof(proof, stranger), root)).toThrow(
      expect.objectContaining({ code: 'unknown-key' }),
    );
  });
});
