import {
  type AuthorScope,
  type BundlePolicy,
  type RootDocument,
  type SignedDocument,
  type SigningKey,
  type SuspensionOrder,
  buildCommit,
  encodeEnvelope,
  generateChannelKey,
  generateSealingKey,
  generateSigningKey,
  loadSigner,
  sealBundle,
  sealChannelKey,
  signAuthored,
  signPolicy,
  signRoot,
  trustRoot,
} from '#bundle';
import type { Identity } from './attacked-host.js';

/** Documents by name. */
export type Documents = Readonly<Record<string, SignedDocument>>;

/** One delivery as its maker wants it; whoever has the keys can make any. */
export interface Parcel {
  readonly generation: number;
  readonly issuedAt?: number;
  readonly validMs?: number;
  readonly policies?: Documents;
  readonly groups?: Documents;
  readonly labels?: SignedDocument;
  readonly suspension?: SuspensionOrder;
  /** Root documents to carry, the one in force last; by default all there are. */
  readonly roots?: readonly SignedDocument[];
}

/** An enrolled host as the control plane knows it. */
export interface Enrolled extends Identity {
  readonly channelKey: Buffer;
  readonly sealingKey: string;
}

const HOUR_MS = 3_600_000;

/** Every key that there is: those of the operators, and those that a thief of the control plane has. */
export class Authority {
  rootKeys: readonly SigningKey[] = [1, 2, 3].map(generateSigningKey);
  online = generateSigningKey();
  readonly author = generateSigningKey();
  readonly second = generateSigningKey();
  readonly secret = generateChannelKey();
  readonly roots: SignedDocument[] = [];

  constructor(first: Partial<RootDocument> = {}) {
    this.roots.push(this.sign(this.rootDocument(first)));
  }

  /** A root document of two of three root keys. */
  rootDocument(more: Partial<RootDocument> = {}): RootDocument {
    return {
      v: 1,
      version: this.roots.length + 1,
      epoch: '1',
      expiresAt: Date.now() + 24 * HOUR_MS,
      mode: 'managed',
      root: { threshold: 2, keys: this.rootKeys.map(publicPart) },
      authors: [publicPart(this.author), publicPart(this.second)],
      thresholds: { documents: 1, overrides: 2 },
      online: [publicPart(this.online)],
      ...more,
    };
  }

  sign(document: RootDocument, keys: readonly SigningKey[] = this.rootKeys.slice(0, 2)) {
    return signRoot(document, keys.map(signerOf));
  }

  /** Puts the next root document in force. */
  moveOn(more: Partial<RootDocument>): void {
    this.roots.push(this.sign(this.rootDocument(more)));
  }

  /** The same fleet after a ceremony that put another online key in the place of the stolen one. */
  recovered(more: Partial<RootDocument>, online: SigningKey): Authority {
    const next = new Authority();
    next.rootKeys = this.rootKeys;
    next.online = online;
    next.roots.splice(0, 1, ...this.roots);
    next.roots.push(this.sign(this.rootDocument({ ...more, online: [publicPart(online)] })));
    return next;
  }

  enrol(): Enrolled {
    const { sealingKey, privateKey } = generateSealingKey();
    return {
      nodeId: generateSigningKey().keyid,
      sealingKey,
      sealingPrivateKey: privateKey,
      channelKey: generateChannelKey(),
      root: this.roots.at(-1),
    };
  }

  /** The envelope for a host, sealed and signed by the online key. */
  async deliver(to: Enrolled, parcel: Parcel): Promise<Buffer> {
    const { generation, issuedAt = Date.now(), roots = this.roots } = parcel;
    const root = trustRoot(roots.at(-1));
    const { epoch, mode } = root.document;
    const groups = mode === 'authored' ? revised(parcel.groups ?? {}) : undefined;
    const bundle = sealBundle(revised(parcel.policies ?? {}), this.secret, { groups });
    const { nodeId, channelKey, sealingKey } = to;
    const assignment = {
      nodeId,
      channelKey,
      sealedChannelKey: await sealChannelKey(channelKey, { sealingKey, nodeId, epoch }),
      expiresAt: issuedAt + (parcel.validMs ?? HOUR_MS),
      reportEpoch: 0,
      bundleDigest: bundle.digest,
      dataKey: bundle.dataKey,
      ...(parcel.labels && { labels: parcel.labels }),
      ...(parcel.suspension && { suspension: parcel.suspension }),
    };
    const { records } = buildCommit({
      assignmentVersion: { epoch, generation: String(generation), issuedAt },
      root,
      earlierRoots: roots.slice(0, -1),
      signer: signerOf(this.online),
      assignments: [assignment],
    });
    const record = records.get(nodeId);
    if (!record) throw new Error('the commit has no record for the host');
    return encodeEnvelope(record, bundle.ciphertext);
  }
}

/** A policy that blocks a program on hosts with these labels, signed by whoever is named. */
export function policy(
  name: string,
  { version = 1, path = '/usr/bin/sleep', labels = { env: 'prod' } }: PolicySketch,
  ...by: readonly SigningKey[]
): SignedDocument {
  const document = { v: 1, name, version, content: content(name, path, labels) } as const;
  return signAuthored({ kind: 'policy', document }, by.map(signerOf));
}

/** The same in managed mode. */
export function managedPolicy(name: string, path: string, by: SigningKey): SignedDocument {
  const all = { 'hostward.io/all-hosts': 'true' };
  return signPolicy({ v: 1, name, version: 1, content: content(name, path, all) }, signerOf(by));
}

export function deletion(
  kind: 'policy' | 'group',
  name: string,
  version: number,
  by: SigningKey,
): SignedDocument {
  const document = { v: 1, name, version, deleted: true } as const;
  return signAuthored({ kind, document }, [signerOf(by)]);
}

export function labels(
  to: Identity,
  map: Readonly<Record<string, string>>,
  version: number,
  by: SigningKey,
): SignedDocument {
  const document = { v: 1, nodeId: to.nodeId, name: 'web1', version, labels: map } as const;
  return signAuthored({ kind: 'labels', document }, [signerOf(by)]);
}

export function group(
  name: string,
  matchLabels: Readonly<Record<string, string>>,
  version: number,
  by: SigningKey,
): SignedDocument {
  const metadata = { name };
  const spec = { selector: { matchLabels } };
  const document = {
    ...({ v: 1, name, version } as const),
    content: { apiVersion: 'hostward.io/v1', kind: 'Group', metadata, spec },
  };
  return signAuthored({ kind: 'group', document }, [signerOf(by)]);
}

/** An author with a scope, as a root document names one. */
export function scoped(key: SigningKey, scope: AuthorScope) {
  return { ...publicPart(key), scope };
}

export function publicPart({ keyid, key }: SigningKey) {
  return { keyid, key };
}

interface PolicySketch {
  readonly version?: number;
  readonly path?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

function content(name: string, path: string, matchLabels: Readonly<Record<string, string>>) {
  return {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name },
    spec: { nodeSelector: { matchLabels }, process: { matchPaths: [{ path }] }, action: 'Block' },
  };
}

function signerOf({ privateKey }: SigningKey) {
  return loadSigner(privateKey);
}

function revised(documents: Documents): ReadonlyMap<string, BundlePolicy> {
  return new Map(
    Object.entries(documents).map(([name, envelope]) => [name, { envelope, revision: '17' }]),
  );
}
