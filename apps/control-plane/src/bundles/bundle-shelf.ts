import { sealBundle, type SealedBundle } from '#bundle';
import type { ActivePolicy } from '../fleet/fleet-state.js';

/** A rule set, encrypted, with the revisions of its policies by name. */
export interface BuiltBundle extends SealedBundle {
  readonly policies: ReadonlyMap<string, string>;
}

/**
 * Makes bundles and keeps those in use: hosts with the same rule set share one. The same rule set always gives the
 * same bytes, so losing this shelf costs time only.
 */
export class BundleShelf {
  readonly #byRuleSet = new Map<string, BuiltBundle>();
  #built = 0;

  constructor(private readonly epochSecret: Uint8Array) {}

  /** How many were ever built. */
  get built(): number {
    return this.#built;
  }

  /** The bundle of these policies, which must be in canonical order. Throws RefusedError where they exceed a limit. */
  of(policies: readonly ActivePolicy[]): BuiltBundle {
    const key = ruleSetKey(policies);
    const known = this.#byRuleSet.get(key);
    if (known) return known;
    const built = this.#build(policies);
    this.#byRuleSet.set(key, built);
    return built;
  }

  /** Forgets every bundle whose digest is not among `digests`; answers the digests of those forgotten. */
  retain(digests: ReadonlySet<string>): readonly string[] {
    const unused = [...this.#byRuleSet].filter(([, { digest }]) => !digests.has(digest));
    for (const [key] of unused) this.#byRuleSet.delete(key);
    return unused.map(([, { digest }]) => digest);
  }

  #build(policies: readonly ActivePolicy[]): BuiltBundle {
    this.#built += 1;
    const revisions = new Map(
      policies.map(({ record, revision }) => [record.name, revision.toString()]),
    );
    const parts = policies.map(({ record, revision }) => {
      return [record.name, { envelope: record.envelope, revision: revision.toString() }] as const;
    });
    return { ...sealBundle(new Map(parts), this.epochSecret), policies: revisions };
  }
}

/** Names cannot hold a space, so the text is unambiguous. */
function ruleSetKey(policies: readonly ActivePolicy[]): string {
  return policies.map(({ record, revision }) => `${record.name}@${revision}`).join(' ');
}
