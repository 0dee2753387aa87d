import {
  type BundledDocument,
  RefusedError,
  type SealedBundle,
  openBundle,
  parseSignedDocument,
  sha256Hex,
} from '#bundle';

type BundleKey = Pick<SealedBundle, 'digest' | 'dataKey'>;

/** What bundles hold, each opened once for all hosts that have it: a fleet has few, and one may be large. */
export class BundleContents {
  readonly #asked = new Map<string, Promise<string | undefined>>();

  constructor(private readonly bundle: (digest: string) => Promise<Uint8Array | undefined>) {}

  /** Digest (hex) of the documents of the bundle that is there; undefined where it is not there, or does not open. */
  there(key: BundleKey): Promise<string | undefined> {
    return this.#once(key, () => this.bundle(key.digest));
  }

  /** The same of one of ours, which need not be there. */
  ours(bundle: SealedBundle): Promise<string | undefined> {
    return this.#once(bundle, () => Promise.resolve(bundle.ciphertext));
  }

  #once(
    { digest, dataKey }: BundleKey,
    read: () => Promise<Uint8Array | undefined>,
  ): Promise<string | undefined> {
    const name = `${digest} ${dataKey}`;
    const asked =
      this.#asked.get(name) ??
      read().then((ciphertext) => ciphertext && contentsOf(ciphertext, { digest, dataKey }));
    this.#asked.set(name, asked);
    return asked;
  }
}

/** Of what was signed of each document, by kind, with its revision, which all documents of one apply have in common. */
function contentsOf(ciphertext: Uint8Array, key: BundleKey): string | undefined {
  try {
    const { policies, groups = [], suspensions = [] } = openBundle(ciphertext, key);
    const texts = [policies, groups, suspensions].map((each) => each.map(signedText).sort());
    return sha256Hex(Buffer.from(JSON.stringify(texts)));
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

function signedText({ envelope, revision }: BundledDocument): string {
  const { payloadType, payload } = parseSignedDocument(envelope, 'bundle');
  return [payloadType, revision, payload].join();
}
