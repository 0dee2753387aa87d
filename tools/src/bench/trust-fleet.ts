import { randomBytes } from 'node:crypto';
import {
  type CommitInput,
  generateChannelKey,
  generateSealingKey,
  generateSigningKey,
  loadSigner,
  type SealedBundle,
  type SealingKey,
  sealBundle,
  sealChannelKey,
  sha256Hex,
  type Signer,
  signPolicy,
  signRoot,
  type TrustedRoot,
  trustRoot,
} from '#bundle';

/** A host as the control plane knows it, with its own secret beside. */
export interface TrustHost extends SealingKey {
  readonly nodeId: string;
  readonly channelKey: Buffer;
  readonly sealedChannelKey: string;
}

/** A fleet with real keys. */
export interface TrustFleet {
  readonly now: number;
  readonly root: TrustedRoot;
  readonly hosts: readonly TrustHost[];
  /** A bundle of this many policies, the first of them in this version. */
  readonly bundleOf: (policies: number, version?: number) => SealedBundle;
  /** Of the next commit, of one bundle for all of the first hosts: each is a millisecond later. */
  readonly commitInput: (bundle: SealedBundle, hosts?: number) => CommitInput;
}

const DAY_MS = 86_400_000;

/** Makes keys for this many hosts. */
export async function trustFleet(hosts: number, signal: AbortSignal): Promise<TrustFleet> {
  const [rootKey, onlineKey] = [generateSigningKey(), generateSigningKey()];
  const signer = loadSigner(onlineKey.privateKey);
  const now = Date.now();
  const publicPart = ({ keyid, key }: typeof rootKey) => ({ keyid, key });
  const root = trustRoot(
    signRoot(
      {
        v: 1,
        version: 1,
        epoch: '1',
        expiresAt: now + DAY_MS,
        mode: 'managed',
        root: { threshold: 1, keys: [publicPart(rootKey)] },
        authors: [],
        online: [publicPart(onlineKey)],
      },
      [loadSigner(rootKey.privateKey)],
    ),
  );
  const all: TrustHost[] = [];
  for (let i = 0; i < hosts; i += 1) {
    signal.throwIfAborted();
    all.push(await trustHost());
  }
  let issuedAt = now;
  const commitInput = (bundle: SealedBundle, count = hosts): CommitInput => ({
    assignmentVersion: { epoch: '1', generation: '40', issuedAt: (issuedAt += 1) },
    root,
    signer,
    assignments: all.slice(0, count).map(({ nodeId, channelKey, sealedChannelKey }) => ({
      ...{ nodeId, channelKey, sealedChannelKey },
      ...{ bundleDigest: bundle.digest, dataKey: bundle.dataKey },
      ...{ expiresAt: now + DAY_MS, reportEpoch: 0 },
    })),
  });
  const bundleOf = (policies: number, version = 1): SealedBundle =>
    sealedBundle(signer, policies, version);
  return { now, root, hosts: all, bundleOf, commitInput };
}

function sealedBundle(signer: Signer, policies: number, firstVersion: number): SealedBundle {
  const parts = Array.from({ length: policies }, (_, at) => {
    const name = `policy-${String(at).padStart(2, '0')}`;
    const content = {
      apiVersion: 'security.kubearmor.com/v1',
      kind: 'KubeArmorHostPolicy',
      metadata: { name },
      spec: {
        nodeSelector: { matchLabels: { env: 'prod' } },
        file: { matchPaths: [{ path: `/srv/${name}` }] },
        action: 'Block',
      },
    };
    const version = at === 0 ? firstVersion : 1;
    const envelope = signPolicy({ v: 1, name, version, content }, signer);
    return [name, { envelope, revision: '17' }] as const;
  });
  return sealBundle(new Map(parts), randomBytes(32));
}

async function trustHost(): Promise<TrustHost> {
  const nodeId = sha256Hex(randomBytes(32));
  const channelKey = generateChannelKey();
  const sealing = generateSealingKey();
  const sealedChannelKey = await sealChannelKey(channelKey, {
    ...{ sealingKey: sealing.sealingKey, nodeId, epoch: '1' },
  });
  return { ...sealing, nodeId, channelKey, sealedChannelKey };
}
