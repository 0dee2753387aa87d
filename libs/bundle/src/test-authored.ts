import {
  type AssignmentInput,
  type AuthorScope,
  type BundlePolicy,
  type MinimumVersions,
  type RootDocument,
  type SignedDocument,
  type SuspensionOrder,
  type SuspensionTarget,
  type SigningKey,
  type VerifiedDelivery,
  generateSigningKey,
  loadSigner,
  sealBundle,
  signAuthored,
  signRoot,
  trustRoot,
  verifyDelivery,
} from './index.js';
import {
  type TestFleet,
  type TestHost,
  assignmentFor,
  commitFor,
  hostAt,
  inquiryOf,
  publicPart,
  rootDocument,
  testFleet,
} from './test-fleet.js';

/** What of a policy the specs vary. */
export interface PolicySketch {
  readonly version?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly section?: 'process' | 'file';
  readonly tier?: string;
  readonly override?: boolean;
  readonly path?: string;
  /** The policy that it exempts from until 2030, of tier `exception`. */
  readonly lifts?: string;
}

/** One delivery: documents by name, and the host's labels. */
export interface Parcel {
  readonly policies?: Readonly<Record<string, SignedDocument>>;
  readonly groups?: Readonly<Record<string, SignedDocument>>;
  readonly suspensions?: Readonly<Record<string, SignedDocument>>;
  readonly labels?: SignedDocument;
  readonly minimumVersions?: MinimumVersions;
  /** Signed by the online key alone. */
  readonly unsigned?: Pick<Partial<AssignmentInput>, 'suspension' | 'visibility'>;
}

/** For specs: a fleet in authored mode with one host that counts. */
export class AuthoredFleet {
  private constructor(
    private readonly fleet: TestFleet,
    readonly host: TestHost,
  ) {}

  static async with(
    authors: readonly (SigningKey & { readonly scope?: AuthorScope })[],
    more: Partial<RootDocument> = {},
  ): Promise<AuthoredFleet> {
    const fleet = await testFleet(1);
    const document = rootDocument(fleet.rootKey, fleet.onlineKey, {
      mode: 'authored',
      authors: authors.map(({ scope, ...key }) => ({
        ...publicPart(key),
        ...(scope && { scope }),
      })),
      ...more,
    });
    const root = trustRoot(signRoot(document, [loadSigner(fleet.rootKey.privateKey)]));
    return new AuthoredFleet({ ...fleet, root }, hostAt(fleet, 0));
  }

  /** Delivers as a control plane would, and verifies as the host does. */
  deliver({
    policies = {},
    groups = {},
    suspensions = {},
    labels,
    minimumVersions,
    unsigned = {},
  }: Parcel): Promise<VerifiedDelivery> {
    const bundle = sealBundle(revised(policies), Buffer.alloc(32, 7), {
      groups: revised(groups),
      suspensions: revised(suspensions),
    });
    const { digest: bundleDigest, dataKey } = bundle;
    const assignment = {
      ...assignmentFor(this.fleet, this.host),
      bundleDigest,
      dataKey,
      labels,
      ...unsigned,
    };
    const commit = commitFor(this.fleet, { assignments: [assignment] });
    const inquiry = inquiryOf(this.fleet, this.host, commit, { bundle: bundle.ciphertext });
    return verifyDelivery({ ...inquiry, minimumVersions });
  }

  labels(
    by: SigningKey,
    labels: Readonly<Record<string, string>>,
    version = 1,
    nodeId = this.host.nodeId,
  ): SignedDocument {
    const document = { v: 1, nodeId, name: 'web1', version, labels } as const;
    return signAuthored({ kind: 'labels', document }, [loadSigner(by.privateKey)]);
  }
}

export const author = (scope?: AuthorScope) => ({
  ...generateSigningKey(),
  ...(scope && { scope }),
});

export function policy(
  name: string,
  {
    version = 1,
    labels = { env: 'prod' },
    section = 'process',
    path = '/usr/bin/sleep',
    ...marks
  }: PolicySketch,
  ...by: readonly SigningKey[]
): SignedDocument {
  const { lifts } = marks;
  const annotations = {
    ...(lifts !== undefined && {
      ...{ 'hostward.io/tier': 'exception', 'hostward.io/until': '2030-01-01T00:00:00Z' },
    }),
    ...(marks.tier !== undefined && { 'hostward.io/tier': marks.tier }),
    ...(marks.override === true && { 'hostward.io/override-protection': 'true' }),
  };
  const content = {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: {
      name,
      ...(lifts !== undefined && { labels: { 'hostward.io/lifts': lifts } }),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    spec: {
      nodeSelector: { matchLabels: labels },
      [section]: { matchPaths: [{ path }] },
      action: 'Block',
    },
  };
  return signAuthored(
    { kind: 'policy', document: { v: 1, name, version, content } },
    by.map(({ privateKey }) => loadSigner(privateKey)),
  );
}

export function deletion(
  kind: 'policy' | 'group',
  name: string,
  version: number,
  by: SigningKey,
): SignedDocument {
  const document = { v: 1, name, version, deleted: true } as const;
  return signAuthored({ kind, document }, [loadSigner(by.privateKey)]);
}

export function group(
  name: string,
  matchLabels: Readonly<Record<string, string>>,
  by: SigningKey,
  version = 1,
): SignedDocument {
  const content = {
    apiVersion: 'hostward.io/v1',
    kind: 'Group',
    metadata: { name },
    spec: { selector: { matchLabels } },
  };
  const document = { v: 1, name, version, content } as const;
  return signAuthored({ kind: 'group', document }, [loadSigner(by.privateKey)]);
}

/** Suspends until a time. */
export function suspension(
  name: string,
  order: Pick<SuspensionOrder, 'mode' | 'until'> & { readonly version?: number },
  target: SuspensionTarget,
  by: SigningKey,
): SignedDocument {
  const { mode, until, version = 1 } = order;
  const document = { v: 1, name, version, target, mode, until, reason: 'patch night' } as const;
  return signAuthored({ kind: 'suspension', document }, [loadSigner(by.privateKey)]);
}

function revised(
  documents: Readonly<Record<string, SignedDocument>>,
): ReadonlyMap<string, BundlePolicy> {
  return new Map(
    Object.entries(documents).map(([name, envelope]) => [name, { envelope, revision: '17' }]),
  );
}
