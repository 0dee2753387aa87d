import type { AssignmentVersion } from '#contracts';
import {
  type AssignmentInput,
  type BundlePolicy,
  type Commit,
  type CommitInput,
  type DeliveryInquiry,
  type PublicKey,
  type RootDocument,
  type SealedBundle,
  type SealingKey,
  type SigningKey,
  type TrustedRoot,
  buildCommit,
  generateChannelKey,
  generateSealingKey,
  generateSigningKey,
  loadSigner,
  sealBundle,
  sealChannelKey,
  sha256Hex,
  signPolicy,
  signRoot,
  trustRoot,
} from './index.js';

/** For the specs of this folder: a fleet with real keys. Times are small numbers, so that nothing depends on a clock. */
export const NOW = 1_000_000;
export const EXPIRES = 2_000_000;
export const ASSIGNMENT_VERSION: AssignmentVersion = {
  epoch: '1',
  generation: '40',
  issuedAt: NOW,
};

/** A host of the fleet with its key of epoch 1. */
export interface TestHost extends SealingKey {
  readonly nodeId: string;
  readonly channelKey: Buffer;
  readonly sealedChannelKey: string;
}

/** Everything that a control plane holds. */
export interface TestFleet {
  readonly rootKey: SigningKey;
  readonly onlineKey: SigningKey;
  readonly root: TrustedRoot;
  readonly bundle: SealedBundle;
  readonly hosts: readonly TestHost[];
}

export function publicPart({ keyid, key }: PublicKey): PublicKey {
  return { keyid, key };
}

export function rootDocument(
  rootKey: PublicKey,
  onlineKey: PublicKey,
  more: Partial<RootDocument> = {},
): RootDocument {
  return {
    v: 1,
    version: 1,
    epoch: '1',
    expiresAt: EXPIRES * 10,
    mode: 'managed',
    root: { threshold: 1, keys: [publicPart(rootKey)] },
    authors: [],
    online: [publicPart(onlineKey)],
    ...more,
  };
}

export function policies(
  onlineKey: SigningKey,
  ...names: readonly string[]
): ReadonlyMap<string, BundlePolicy> {
  const signer = loadSigner(onlineKey.privateKey);
  const content = { kind: 'KubeArmorHostPolicy', spec: { action: 'Block' } };
  const signed = (name: string): BundlePolicy => ({
    envelope: signPolicy(
      { v: 1, name, version: 1, content: { ...content, metadata: { name } } },
      signer,
    ),
    revision: '17',
  });
  return new Map(names.map((name) => [name, signed(name)]));
}

export async function testHost(): Promise<TestHost> {
  const nodeId = sha256Hex(generateChannelKey());
  const channelKey = generateChannelKey();
  const sealing = generateSealingKey();
  const sealedChannelKey = await sealChannelKey(channelKey, {
    sealingKey: sealing.sealingKey,
    nodeId,
    epoch: '1',
  });
  return { ...sealing, nodeId, channelKey, sealedChannelKey };
}

export async function testFleet(hostCount = 3): Promise<TestFleet> {
  const [rootKey, onlineKey] = [generateSigningKey(), generateSigningKey()];
  const root = trustRoot(
    signRoot(rootDocument(rootKey, onlineKey), [loadSigner(rootKey.privateKey)]),
  );
  const bundle = sealBundle(policies(onlineKey, 'beta', 'alpha'), Buffer.alloc(32, 7));
  const hosts = await Promise.all(Array.from({ length: hostCount }, testHost));
  return { rootKey, onlineKey, root, bundle, hosts };
}

export function assignmentFor(fleet: TestFleet, host: TestHost): AssignmentInput {
  const { nodeId, channelKey, sealedChannelKey } = host;
  const { digest: bundleDigest, dataKey } = fleet.bundle;
  return {
    nodeId,
    channelKey,
    sealedChannelKey,
    bundleDigest,
    dataKey,
    expiresAt: EXPIRES,
    reportEpoch: 0,
  };
}

export function commitFor(fleet: TestFleet, more: Partial<CommitInput> = {}): Commit {
  const assignments = fleet.hosts.map((host) => assignmentFor(fleet, host));
  const signer = loadSigner(fleet.onlineKey.privateKey);
  return buildCommit({
    assignmentVersion: ASSIGNMENT_VERSION,
    root: fleet.root,
    signer,
    assignments,
    ...more,
  });
}

/** What a host asks about its own record of a commit. */
export function inquiryOf(
  fleet: TestFleet,
  host: TestHost,
  commit: Commit,
  more: Partial<DeliveryInquiry> = {},
): DeliveryInquiry {
  return {
    record: commit.records.get(host.nodeId),
    bundle: fleet.bundle.ciphertext,
    trustedRoot: fleet.root,
    nodeId: host.nodeId,
    sealingPrivateKey: host.privateKey,
    now: NOW,
    ...more,
  };
}

/** The n-th host; a fixture without it is a broken test. */
export function hostAt(fleet: TestFleet, index: number): TestHost {
  const host = fleet.hosts[index];
  if (!host) throw new RangeError(`no host ${index}`);
  return host;
}
