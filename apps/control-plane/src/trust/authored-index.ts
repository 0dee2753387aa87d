import { isDeepStrictEqual } from 'node:util';
import {
  AUTHORED_KINDS,
  RefusedError,
  type Authored,
  type AuthoredKind,
  type LabelsDocument,
  type PolicyDocument,
  type SignedDocument,
  type SuspensionDocument,
  verifyAuthored,
  verifyLabels,
  verifySuspension,
} from '#bundle';
import { etcdKeys, type WatchMessage } from '#etcd';
import { Trust } from '../config/trust.js';

/** What an author signs. */
export type SignedContent = PolicyDocument | LabelsDocument | SuspensionDocument;

/** The newest version of a document that authors signed, as etcd had it at `revision`. */
export interface SignedHead {
  readonly kind: AuthoredKind;
  /** Of labels the node id. */
  readonly name: string;
  readonly envelope: SignedDocument;
  readonly revision: bigint;
  readonly authored: Authored<SignedContent>;
}

/** A value that does not count. */
interface Refused {
  readonly reason: string;
  /** As etcd has it; absent where it is the head that counts no more. */
  readonly value?: Uint8Array;
}

/**
 * The signed documents of authored mode. What does not verify is not taken: who writes into etcd changes nothing, and
 * what was known before stays in force until the next start.
 */
export class AuthoredIndex {
  readonly #heads = new Map<string, SignedHead>();
  /** Of each key in etcd, also of one that is refused: whoever is believed can write above it. */
  readonly #revisions = new Map<string, bigint>();
  /** By the key whose value nobody of ours signed. */
  readonly #refused = new Map<string, Refused>();
  #changed = false;

  constructor(private readonly trust: Trust) {}

  /** Takes one message of the watch. */
  take(message: WatchMessage): void {
    if (message.type === 'snapshot') {
      const present = new Set(message.items.map(({ key }) => key));
      for (const key of [...this.#revisions.keys()]) if (!present.has(key)) this.#gone(key);
      for (const { key, value, modRevision } of message.items) this.#put(key, value, modRevision);
      return;
    }
    for (const change of message.changes) {
      if (change.type === 'delete') this.#gone(change.key);
      else if (change.value) this.#put(change.key, change.value, change.modRevision);
    }
  }

  /**
   * After another root document: what its authors would not be believed for any more is named, and stays; what was
   * refused is tried again.
   */
  recheck(): void {
    const refused = [...this.#refused];
    this.#refused.clear();
    for (const [key, head] of this.#heads) this.#check(key, head);
    for (const [key, { value }] of refused)
      if (value) this.#put(key, value, this.#revisions.get(key) ?? 0n);
  }

  /** The identity is nobody's and never will be: its labels go as soon as etcd does not hold them. */
  forget(nodeId: string): void {
    const key = etcdKeys.signedDocument('labels', nodeId);
    if (this.#revisions.has(key)) return;
    this.#heads.delete(key);
    this.#refused.delete(key);
  }

  /** Heads of a kind in the order of names. */
  heads(kind: AuthoredKind): readonly SignedHead[] {
    const found = [...this.#heads.values()].filter((head) => head.kind === kind);
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(kind: AuthoredKind, name: string): SignedHead | undefined {
    return this.#heads.get(etcdKeys.signedDocument(kind, name));
  }

  /** Keys that are refused. Labels of an identity that is nobody's any more are no host's, and cannot be signed anew. */
  refusedKeys(isKnown: (nodeId: string) => boolean): readonly string[] {
    return [...this.#refused.keys()].filter((key) => {
      const [kind, name] = partsOf(key);
      return kind !== 'labels' || name === undefined || isKnown(name);
    });
  }

  /** At which revision etcd has a document of this name, whoever signed it; 0 where there is none. */
  revisionOf(kind: AuthoredKind, name: string): bigint {
    return this.#revisions.get(etcdKeys.signedDocument(kind, name)) ?? 0n;
  }

  /** Whether what etcd has under this name counts no more, or never did. */
  isRefused(kind: AuthoredKind, name: string): boolean {
    return this.#refused.has(etcdKeys.signedDocument(kind, name));
  }

  /** Whether anything changed since this was asked last. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  #put(key: string, value: Uint8Array, revision: bigint): void {
    const [kind, name] = partsOf(key);
    if (kind === undefined || name === undefined) return;
    this.#revisions.set(key, revision);
    const head = this.#heads.get(key);
    try {
      const envelope = JSON.parse(Buffer.from(value).toString('utf8')) as SignedDocument;
      // The revision alone does not tell: a restored etcd may have another document at the same one.
      if (head?.revision === revision && isDeepStrictEqual(envelope, head.envelope)) {
        if (this.#refused.delete(key)) this.#check(key, head);
        return;
      }
      const authored = verifySigned(kind, envelope, this.trust);
      if (nameOf(authored.document) !== name) throw new Error('is the document of another name');
      this.#heads.set(key, { kind, name, envelope, revision, authored });
      this.#changed = true;
      this.#refused.delete(key);
    } catch (error) {
      this.#refused.set(key, { reason: String(error), value });
    }
  }

  #gone(key: string): void {
    this.#revisions.delete(key);
    this.#refused.delete(key);
    const head = this.#heads.get(key);
    if (head) this.#check(key, head);
  }

  /** Gives its signers the scopes of the root document in force, and finds out whether it counts after the next start. */
  #check(key: string, head: SignedHead): void {
    try {
      const authored = verifySigned(head.kind, head.envelope, this.trust);
      this.#heads.set(key, { ...head, authored });
      if (!this.#revisions.has(key)) throw new Error('is not in etcd any more: send it again');
    } catch (error) {
      this.#refused.set(key, { reason: String(error) });
    }
  }
}

/** Verifies by the authors of the root document in force; throws RefusedError. */
export function verifySigned(
  kind: AuthoredKind,
  envelope: unknown,
  { root }: Trust,
): Authored<SignedContent> {
  if (kind === 'labels') return verifyLabels(envelope, root.document);
  if (kind === 'suspension') return verifySuspension(envelope, root.document);
  return verifyAuthored(envelope, kind, root.document, kind);
}

/** Under what a document is kept: labels by the id of their host, since names can be given anew. */
export function nameOf(document: SignedContent): string {
  return 'nodeId' in document ? document.nodeId : document.name;
}

function partsOf(key: string): readonly [AuthoredKind?, string?] {
  if (!key.startsWith(etcdKeys.signed)) return [];
  const [kind, name, ...more] = key.slice(etcdKeys.signed.length).split('/');
  const known = AUTHORED_KINDS.find((each) => each === kind);
  return known && name && more.length === 0 ? [known, name] : [];
}

/** What a refusal says, for those who sent the document. */
export function refusalOf(error: unknown): string {
  if (error instanceof RefusedError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
