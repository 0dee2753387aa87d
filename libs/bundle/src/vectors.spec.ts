import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { signDocument, verifyDocument, KeyRing } from './dsse.js';
import {
  type Assignment,
  type BundlePolicy,
  type FleetProof,
  type HostSignedStatus,
  type RedirectDocument,
  type SignedDocument,
  type VerifiedPolicy,
  MerkleTree,
  canonicalBytes,
  encodeMinimumVersions,
  loadSigner,
  openBundle,
  openCursor,
  openEvents,
  openReport,
  openSignedStatus,
  sealBundle,
  signFleetProof,
  signRedirect,
  signStatus,
  trustRoot,
  verifyDelivery,
  verifyFleetProof,
  verifyInclusion,
  verifyRedirect,
  verifySignedStatus,
} from './index.js';

/** The files are never made again: what a first version sealed and signed, every later one must read. */
function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

interface MerkleVectors {
  readonly leaves: readonly string[];
  readonly roots: readonly string[];
  readonly proofs: readonly {
    readonly size: number;
    readonly index: number;
    readonly path: readonly string[];
  }[];
}
interface DocumentVector extends Record<
  'privateKey' | 'key' | 'keyid' | 'payloadType' | 'payload',
  string
> {
  readonly document: SignedDocument;
}
interface BundleVector extends Record<'epochSecret' | 'digest' | 'dataKey' | 'ciphertext', string> {
  readonly policies: Readonly<Record<string, BundlePolicy>>;
}
interface DeliveryVector extends Record<'nodeId' | 'sealingPrivateKey' | 'bundle', string> {
  readonly trustedRoot: unknown;
  readonly now: number;
  readonly record: unknown;
  readonly expected: {
    assignment: Assignment;
    channelKey: string;
    policies: readonly VerifiedPolicy[];
  };
}

interface AuthoredVector extends Omit<DeliveryVector, 'expected'> {
  readonly expected: {
    readonly rootVersion: number;
    readonly policies: readonly VerifiedPolicy[];
    readonly minimumVersions: string;
  };
}

interface RedirectVector extends Record<'root' | 'redirect' | 'signedProof', SignedDocument> {
  readonly privateKey: string;
  readonly document: RedirectDocument;
  readonly proof: FleetProof;
}

describe('the kept vectors', () => {
  it('of Merkle trees are met: roots of one to eight leaves, and proofs', () => {
    const { leaves, roots, proofs } = read<MerkleVectors>('merkle');
    const all = leaves.map(bytes);
    roots.forEach((root, index) => {
      expect(new MerkleTree(all.slice(0, index + 1)).root.toString('hex')).toBe(root);
    });
    expect(proofs.length).toBeGreaterThan(0);
    for (const { size, index, path } of proofs) {
      const root = bytes(roots[size - 1] ?? '');
      const proof = { size, index, path: path.map(bytes) };
      expect(verifyInclusion(all[index] ?? Buffer.alloc(0), proof, root)).toBe(true);
      expect(new MerkleTree(all.slice(0, size)).proof(index)).toEqual(proof);
    }
  });

  it('of canonical bytes are met', () => {
    const { cases } = read<{ cases: { value: unknown; bytes: string }[] }>('canonical');
    for (const { value, bytes: expected } of cases) {
      expect(canonicalBytes(value).toString('hex')).toBe(expected);
    }
  });

  it('of a signed document are met in both directions', () => {
    const { privateKey, payloadType, payload, document, ...key } =
      read<DocumentVector>('signed-document');
    expect(signDocument(payloadType, bytes(payload), [loadSigner(privateKey)])).toEqual(document);
    const trust = { payloadType, keys: new KeyRing([key]), threshold: 1, maxBytes: 100 };
    expect(verifyDocument(document, trust, 'vector').toString('hex')).toBe(payload);
  });

  it('of the signed status of a host are met in both directions', () => {
    type Vector = Record<'privateKey' | 'key' | 'nodeId', string>;
    const { privateKey, key, nodeId, signedStatus, document } = read<
      Vector & { readonly signedStatus: HostSignedStatus; readonly document: SignedDocument }
    >('host-signed-status');
    expect(signStatus(signedStatus, loadSigner(privateKey))).toEqual(document);
    expect(verifySignedStatus(document, key, nodeId)).toEqual(signedStatus);
  });

  it('of a redirect and of the proof of where it leads are met in both directions', () => {
    const { privateKey, root, document, redirect, proof, signedProof } =
      read<RedirectVector>('redirect');
    const [signer, trusted] = [loadSigner(privateKey), trustRoot(root)];
    expect(signRedirect(document, [signer])).toEqual(redirect);
    expect(verifyRedirect(redirect, trusted).document).toEqual(document);
    expect(signFleetProof(proof, signer)).toEqual(signedProof);
    expect(verifyFleetProof(signedProof, trusted.document)).toEqual(proof);
  });

  it('of HPKE, from the RFC itself, are met by the library', async () => {
    const vector = read<Record<'skRm' | 'info' | 'enc' | 'aad' | 'pt' | 'ct', string>>('hpke');
    const buffer = (hex: string): ArrayBuffer => new Uint8Array(bytes(hex)).buffer;
    const kem = new DhkemX25519HkdfSha256();
    const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes128Gcm() });
    const recipientKey = await kem.deserializePrivateKey(buffer(vector.skRm));
    const [enc, info] = [buffer(vector.enc), buffer(vector.info)];
    const recipient = await suite.createRecipientContext({ recipientKey, enc, info });
    const opened = await recipient.open(buffer(vector.ct), buffer(vector.aad));
    expect(Buffer.from(opened).toString('hex')).toBe(vector.pt);
  });

  it('of sealed messages still open', () => {
    type Name =
      'channelKey' | 'nodeId' | 'plaintext' | 'report' | 'events' | 'cursor' | 'signedStatus';
    const vector = read<Record<Name, string>>('sealed-message');
    const channelKey = bytes(vector.channelKey);
    expect(openReport(channelKey, vector.nodeId, bytes(vector.report)).toString()).toBe(
      vector.plaintext,
    );
    expect(openSignedStatus(channelKey, vector.nodeId, bytes(vector.signedStatus)).toString()).toBe(
      vector.plaintext,
    );
    expect(openEvents(channelKey, vector.nodeId, bytes(vector.events)).toString()).toBe(
      vector.plaintext,
    );
    expect(openCursor(channelKey, vector.nodeId, bytes(vector.cursor)).toString()).toBe(
      vector.plaintext,
    );
  });

  it('of a bundle are met in both directions', () => {
    const { epochSecret, policies, digest, dataKey, ciphertext } = read<BundleVector>('bundle');
    const sealed = sealBundle(new Map(Object.entries(policies)), bytes(epochSecret));
    expect(sealed).toEqual({ digest, dataKey, ciphertext: Buffer.from(ciphertext, 'base64') });
    expect(openBundle(sealed.ciphertext, { digest, dataKey }).policies).toHaveLength(2);
  });

  it('of a whole delivery are still verified', async () => {
    const { trustedRoot, bundle, expected, ...inquiry } = read<DeliveryVector>('delivery');
    const verified = await verifyDelivery({
      ...inquiry,
      trustedRoot: trustRoot(trustedRoot),
      bundle: Buffer.from(bundle, 'base64'),
    });
    expect(verified.assignment).toEqual(expected.assignment);
    expect(verified.channelKey.toString('hex')).toBe(expected.channelKey);
    expect(verified.policies).toMatchObject(expected.policies);
  });

  it('of a delivery in authored mode, over a root document in between, is still verified', async () => {
    const { trustedRoot, bundle, expected, ...inquiry } = read<AuthoredVector>('authored-delivery');
    const verified = await verifyDelivery({
      ...inquiry,
      trustedRoot: trustRoot(trustedRoot),
      bundle: Buffer.from(bundle, 'base64'),
    });
    expect(verified.rootVersion).toBe(expected.rootVersion);
    expect(verified.policies).toMatchObject(expected.policies);
    const minimumVersions =
      verified.minimumVersions && encodeMinimumVersions(verified.minimumVersions).toString('hex');
    expect(minimumVersions).toBe(expected.minimumVersions);
  });
});
