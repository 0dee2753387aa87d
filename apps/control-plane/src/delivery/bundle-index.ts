import {
  RefusedError,
  sealBundle,
  type BundlePolicy,
  type SealedBundle,
  type SignedDocument,
} from '#bundle';
import { tierOf } from '#policy-model';
import type { ActivePolicy } from '../store/fleet-state.js';
import type { SignedHead } from '../trust/authored-index.js';

/** A rule set, encrypted, with its policies by name. */
export interface BuiltBundle extends SealedBundle {
  readonly policies: ReadonlyMap<string, BundledPolicy>;
  /** Those of tier `exception`; none in authored mode, where hosts find out themselves what is for them. */
  readonly exceptions: readonly string[];
}

/** What identifies a version of a policy: its revision alone does not, where etcd was restored. */
export interface BundledPolicy {
  readonly revision: string;
  /** What was signed, as in the envelope. */
  readonly payload: string;
}

/** The heads of authored mode by kind. */
export interface AuthoredHeads {
  readonly policies: readonly SignedHead[];
  readonly groups: readonly SignedHead[];
  readonly suspensions: readonly SignedHead[];
}

/**
 * Makes bundles and keeps those in use: hosts with the same rule set share one. The same rule set always gives the
 * same bytes, so losing this index costs time only.
 */
export class BundleIndex {
  readonly #byRuleSet = new Map<string, BuiltBundle>();
  readonly #documents = new Numbered();
  /** Rule sets that exceed a limit: each is tried once, not for each host that is to have it. */
  readonly #refused = new Map<string, RefusedError>();
  #built = 0;

  constructor(private readonly epochSecret: Uint8Array) {}

  /** How many were ever built. */
  get built(): number {
    return this.#built;
  }

  /** The bundle of these policies, which must be in canonical order. Throws RefusedError where they exceed a limit. */
  of(policies: readonly ActivePolicy[]): BuiltBundle {
    const key = policies.map(({ record, revision }) =>
      this.#documents.key(record.envelope, revision),
    );
    return this.#once(key.join(' '), () => this.#build(policies));
  }

  /**
   * The bundle of authored mode, one for the whole fleet: all heads, deletions too, so that each host can see that none
   * is withheld, and finds itself what is for it. Each list in the order of names. Throws as `of` does.
   */
  ofAuthored({ policies, groups, suspensions }: AuthoredHeads): BuiltBundle {
    const key = [...policies, ...groups, ...suspensions].map(({ envelope, revision }) =>
      this.#documents.key(envelope, revision),
    );
    return this.#once(`authored ${key.join(' ')}`, () => {
      const parts = partsOf(policies);
      const sealed = sealBundle(parts, this.epochSecret, {
        groups: partsOf(groups),
        suspensions: partsOf(suspensions),
      });
      return { ...sealed, policies: versionsOf(parts), exceptions: [] };
    });
  }

  /** Forgets every bundle whose digest is not among `digests`; answers the digests of those forgotten. */
  retain(digests: ReadonlySet<string>): readonly string[] {
    const unused = [...this.#byRuleSet].filter(([, { digest }]) => !digests.has(digest));
    for (const [key] of unused) this.#byRuleSet.delete(key);
    this.#refused.clear();
    return unused.map(([, { digest }]) => digest);
  }

  #once(key: string, build: () => BuiltBundle): BuiltBundle {
    const known = this.#byRuleSet.get(key);
    if (known) return known;
    const refused = this.#refused.get(key);
    if (refused) throw refused;
    this.#built += 1;
    try {
      const built = build();
      this.#byRuleSet.set(key, built);
      return built;
    } catch (error) {
      if (error instanceof RefusedError) this.#refused.set(key, error);
      throw error;
    }
  }

  #build(policies: readonly ActivePolicy[]): BuiltBundle {
    const parts = new Map(
      policies.map(({ record: { name, envelope }, revision }) => [
        name,
        { envelope, revision: revision.toString() },
      ]),
    );
    const exceptions = policies.filter(({ record }) => tierOf(record.document) === 'exception');
    return {
      ...sealBundle(parts, this.epochSecret),
      policies: versionsOf(parts),
      exceptions: exceptions.map(({ record }) => record.name),
    };
  }
}

function versionsOf(parts: ReadonlyMap<string, BundlePolicy>): ReadonlyMap<string, BundledPolicy> {
  const versions = [...parts].map(([name, { envelope, revision }]): [string, BundledPolicy] => [
    name,
    { revision, payload: envelope.payload },
  ]);
  return new Map(versions);
}

function partsOf(heads: readonly SignedHead[]): ReadonlyMap<string, BundlePolicy> {
  return new Map(
    heads.map(({ name, envelope, revision }) => [
      name,
      { envelope, revision: revision.toString() },
    ]),
  );
}

/**
 * Numbers signed documents as they come. Names and revisions do not do: a restored etcd counts again from where it was, so the
 * same name may be another document at the same revision.
 */
class Numbered {
  readonly #numbers = new WeakMap<SignedDocument, number>();
  #next = 0;

  key(document: SignedDocument, revision: bigint): string {
    const number = this.#numbers.get(document) ?? this.#next++;
    this.#numbers.set(document, number);
    return `${number}@${revision}`;
  }
}
