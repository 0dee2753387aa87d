import {
  type Assignment,
  type BundledDocument,
  RefusedError,
  type SealedBundle,
  openBundle,
  parseSignedDocument,
} from '#bundle';

type BundleKey = Pick<SealedBundle, 'digest' | 'dataKey'>;
/** What was signed of each document, by `{kind}/{name}`. */
type Contents = ReadonlyMap<string, string>;

/**
 * What bundles hold, each opened once for all hosts that have it, and compared once with another: a fleet has few, and one
 * may be large.
 */
export class BundleContents {
  readonly #opened = new Map<string, Promise<Contents | undefined>>();
  readonly #compared = new Map<string, Promise<boolean>>();

  constructor(
    private readonly bundle: (digest: string) => Promise<Uint8Array | undefined>,
    /** Documents whose newest version this replica cannot read, each with its revision. */
    private readonly unread: ReadonlyMap<string, bigint>,
  ) {}

  /**
   * Whether the bundle that is there has the documents of `ours`. Where whoever wrote it had read etcd as far as a document
   * that cannot be read here, that one is left out: it is that one's to say what becomes of it. Every other one must be the
   * same, so of two replicas only the one that can read less gives way. False where it is not there, or does not open.
   */
  agree(
    { bundleDigest: digest, dataKey, generation }: Assignment,
    ours: SealedBundle,
  ): Promise<boolean> {
    const compare = async (): Promise<boolean> => {
      const there = await this.#open({ digest, dataKey }, () => this.bundle(digest));
      const own = await this.#open(ours, () => Promise.resolve(ours.ciphertext));
      return !!there && !!own && this.#isSame(there, own, BigInt(generation));
    };
    return once(this.#compared, [digest, dataKey, generation, ours.digest].join(' '), compare);
  }

  #isSame(there: Contents, ours: Contents, generation: bigint): boolean {
    const names = new Set([...there.keys(), ...ours.keys()]);
    return names.values().every((name) => {
      const unread = this.unread.get(name);
      if (unread !== undefined && unread <= generation) return true;
      return there.get(name) === ours.get(name);
    });
  }

  #open(
    { digest, dataKey }: BundleKey,
    read: () => Promise<Uint8Array | undefined>,
  ): Promise<Contents | undefined> {
    return once(this.#opened, `${digest} ${dataKey}`, async () => {
      const ciphertext = await read();
      return ciphertext && contentsOf(ciphertext, { digest, dataKey });
    });
  }
}

function once<T>(known: Map<string, Promise<T>>, name: string, ask: () => Promise<T>): Promise<T> {
  const asked = known.get(name) ?? ask();
  known.set(name, asked);
  return asked;
}

/** Each with its revision, which all documents of one apply have in common. */
function contentsOf(ciphertext: Uint8Array, key: BundleKey): Contents | undefined {
  try {
    const { policies, groups = [], suspensions = [] } = openBundle(ciphertext, key);
    const kinds = { policy: policies, group: groups, suspension: suspensions };
    const texts = Object.entries(kinds).flatMap(([kind, documents]) =>
      documents.map((document) => signedText(kind, document)),
    );
    return new Map(texts);
  } catch (error) {
    if (error instanceof RefusedError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function signedText(
  kind: string,
  { envelope, revision }: BundledDocument,
): readonly [name: string, text: string] {
  const { payloadType, payload } = parseSignedDocument(envelope, 'bundle');
  const signed: unknown = JSON.parse(Buffer.from(payload, 'base64').toString('utf8'));
  const { name } = { name: '', ...(signed as { readonly name?: string }) };
  return [`${kind}/${name}`, [payloadType, revision, payload].join()];
}
