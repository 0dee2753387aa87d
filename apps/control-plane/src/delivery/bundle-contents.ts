import {
  type BundledDocument,
  RefusedError,
  type SealedBundle,
  openBundle,
  parseSignedDocument,
  sha256Hex,
} from '#bundle';

type BundleKey = Pick<SealedBundle, 'digest' | 'dataKey'>;

/** What a bundle holds, in any order. */
export interface Contents {
  /** Of all documents (hex). */
  readonly digest: string;
  /** What was signed of each, with its revision, by kind and name as `policy/NAME`. */
  readonly documents: ReadonlyMap<string, string>;
}

/** What bundles hold, each opened once for all hosts that have it: a fleet has few, and one may be large. */
export class BundleContents {
  readonly #asked = new Map<string, Promise<Contents | undefined>>();

  constructor(private readonly bundle: (digest: string) => Promise<Uint8Array | undefined>) {}

  /** What the bundle that is there holds; undefined where it is not there, or does not open. */
  there(key: BundleKey): Promise<Contents | undefined> {
    return this.#once(key, () => this.bundle(key.digest));
  }

  /** The same of one of ours, which need not be there. */
  ours(bundle: SealedBundle): Promise<Contents | undefined> {
    return this.#once(bundle, () => Promise.resolve(bundle.ciphertext));
  }

  #once(
    { digest, dataKey }: BundleKey,
    read: () => Promise<Uint8Array | undefined>,
  ): Promise<Contents | undefined> {
    const name = `${digest} ${dataKey}`;
    const asked =
      this.#asked.get(name) ??
      read().then((ciphertext) => ciphertext && contentsOf(ciphertext, { digest, dataKey }));
    this.#asked.set(name, asked);
    return asked;
  }
}

/** Revisions too: all documents of one apply have theirs in common. */
function contentsOf(ciphertext: Uint8Array, key: BundleKey): Contents | undefined {
  try {
    const { policies, groups = [], suspensions = [] } = openBundle(ciphertext, key);
    const kinds = Object.entries({ policy: policies, group: groups, suspension: suspensions });
    const signed = kinds.flatMap(([kind, each]) => each.map((one) => signedOf(kind, one)));
    const texts = signed.map((each) => each.join()).toSorted();
    return { digest: sha256Hex(Buffer.from(JSON.stringify(texts))), documents: new Map(signed) };
  } catch (error) {
    if (error instanceof RefusedError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function signedOf(kind: string, { envelope, revision }: BundledDocument): [string, string] {
  const { payloadType, payload } = parseSignedDocument(envelope, 'bundle');
  const text = Buffer.from(payload, 'base64').toString();
  const { name } = JSON.parse(text) as { readonly name?: unknown };
  return [`${kind}/${String(name)}`, [payloadType, revision, payload].join()];
}
