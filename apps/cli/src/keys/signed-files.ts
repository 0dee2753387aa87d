import {
  AUTHORED_KINDS,
  NO_MINIMUM_VERSIONS,
  RefusedError,
  payloadTypes,
  selectAuthored,
  verifyAuthored,
  verifyLabels,
  verifySuspension,
  type AuthoredKind,
  type AuthoredPolicy,
  type RootDocument,
  type SignedDocument,
} from '#bundle';
import { readFile } from 'node:fs/promises';
import { CommandFailed } from '../output/errors.js';
import { parseSignedSet } from './signed-set.js';

interface Head {
  readonly name: string;
  readonly version: number;
  readonly envelope: SignedDocument;
}

type Heads = Readonly<Record<AuthoredKind, ReadonlyMap<string, Head>>>;

/** What authors signed, from the operator's own files: of each document the newest version, verified by the root. */
export class SignedFiles {
  private constructor(
    private readonly root: RootDocument,
    private readonly heads: Heads,
  ) {}

  /** Throws where a file holds anything that no author of the root signed. */
  static async read(files: readonly string[], root: RootDocument): Promise<SignedFiles> {
    const heads = {
      policy: new Map<string, Head>(),
      group: new Map<string, Head>(),
      labels: new Map<string, Head>(),
      suspension: new Map<string, Head>(),
    };
    for (const file of files)
      for (const envelope of await setIn(file)) {
        const { kind, key, head } = verified(envelope, root, file);
        if ((heads[kind].get(key)?.version ?? 0) < head.version) heads[kind].set(key, head);
      }
    return new SignedFiles(root, heads);
  }

  /** Ids of the hosts that authors signed under this name. */
  idsOf(node: string): readonly string[] {
    return [...this.heads.labels].flatMap(([nodeId, { name }]) => (name === node ? [nodeId] : []));
  }

  /** What the host is to enforce by them: found in the way that the host finds it itself. */
  wantedBy(
    nodeId: string,
    now: number,
  ): { readonly policies: readonly AuthoredPolicy[]; readonly suspended: boolean } {
    const { policy, group, labels, suspension } = this.heads;
    const bundle = {
      policies: documents(policy),
      groups: documents(group),
      suspensions: documents(suspension),
    };
    const own = labels.get(nodeId)?.envelope;
    const inquiry = {
      root: this.root,
      nodeId,
      bundle,
      labels: own,
      minimumVersions: NO_MINIMUM_VERSIONS,
      now,
    };
    const selected = selectAuthored(inquiry);
    return { policies: selected.policies, suspended: selected.suspension !== undefined };
  }
}

async function setIn(file: string): Promise<readonly SignedDocument[]> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new CommandFailed(`${file}: ${cause.message}`, undefined, { cause });
  });
  const signed = parseSignedSet(text);
  if (signed) return signed;
  throw new CommandFailed(`${file} holds no signed documents`, '`hostward sign -f … -o FILE`');
}

function verified(
  envelope: SignedDocument,
  root: RootDocument,
  file: string,
): { readonly kind: AuthoredKind; readonly key: string; readonly head: Head } {
  const kind = AUTHORED_KINDS.find((each) => payloadTypes[each] === envelope.payloadType);
  if (!kind) throw new CommandFailed(`${file} holds a document of type ${envelope.payloadType}`);
  try {
    return { kind, ...read(kind, envelope, root) };
  } catch (cause) {
    if (!(cause instanceof RefusedError)) throw cause;
    throw new CommandFailed(
      `${file} holds a ${kind} document that does not count: ${cause.message}`,
      'by the root document that is believed here its signers are not its authors',
      { cause },
    );
  }
}

function read(kind: AuthoredKind, envelope: SignedDocument, root: RootDocument) {
  if (kind === 'labels') {
    const { name, version, nodeId } = verifyLabels(envelope, root).document;
    return { key: nodeId, head: { name, version, envelope } };
  }
  const { name, version } =
    kind === 'suspension'
      ? verifySuspension(envelope, root).document
      : verifyAuthored(envelope, kind, root, kind).document;
  return { key: name, head: { name, version, envelope } };
}

function documents(heads: ReadonlyMap<string, Head>) {
  return [...heads.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ envelope }) => ({ envelope, revision: '0' }));
}
