import { RefusedError } from '#bundle';
import type { Log } from '#observability';
import { visibilityOf } from '#policy-model';
import type { BundleIndex } from './bundle-index.js';
import type { Trust } from '../config/trust.js';
import type { FleetState } from '../store/fleet-state.js';
import type { NodeRecord } from '../records/node.record.js';
import type { AuthoredIndex } from '../trust/authored-index.js';
import type { WantedAssignment } from './assignment-plan.js';

/** What an assignment is worked out from. */
export interface AssignmentParts {
  readonly state: FleetState;
  readonly bundles: BundleIndex;
  readonly trust: Pick<Trust, 'root' | 'earlierRoots' | 'authored' | 'online'>;
  readonly authored: Pick<AuthoredIndex, 'heads' | 'get'>;
  /** Whether a host is served here; never one that nobody knows. */
  readonly serves: (nodeId: string) => boolean;
  readonly log: Log;
}

/** What each host is to have, by the state of the fleet and the root document in force at the moment of asking. */
export class WantedAssignments {
  /** By host: the revision since which what it is to have follows from the same documents. */
  readonly #since = new Map<string, bigint>();
  /** By host: why what it is to have cannot be bundled, so that it keeps what it has. */
  readonly #unbundled = new Map<string, string>();

  constructor(private readonly parts: AssignmentParts) {}

  /** What was sealed for the host until now may follow from other documents. */
  changed(node: string): void {
    this.#since.set(node, this.parts.state.revision);
  }

  /** What was sealed for the host at this generation or before is not what it is to have. */
  outdate(node: string, generation: bigint): void {
    const since = this.#since.get(node);
    if (since !== undefined && generation >= since) this.#since.set(node, generation + 1n);
  }

  /** The host is not there any more. */
  forget(node: string): void {
    this.#since.delete(node);
    this.#unbundled.delete(node);
  }

  /** Why the host gets nothing new, as it was worked out last; undefined where that is not so. */
  unbundled(node: string): string | undefined {
    return this.#unbundled.get(node);
  }

  /** `keyless`: it has no channel key of this epoch yet. Undefined: it is to have nothing, or keeps what it has. */
  of(node: string): WantedAssignment | 'keyless' | undefined {
    const { state, trust, serves } = this.parts;
    const record = state.nodes.get(node)?.record;
    const enrollment = record && state.believed(record);
    if (!enrollment || !serves(enrollment.nodeId)) return undefined;
    const { nodeId } = enrollment;
    const { epoch, version: rootVersion } = trust.root.document;
    const key = state.channelKey(nodeId, epoch);
    if (!key) return 'keyless';
    const { channelKey, sealedChannelKey } = key;
    try {
      const content = this.#content(record, nodeId);
      const since = this.#since.get(node) ?? state.revision + 1n;
      this.#unbundled.delete(node);
      return { node, nodeId, since, rootVersion, channelKey, sealedChannelKey, ...content };
    } catch (error) {
      // One rule set beyond a limit must not hold up the others; its hosts keep what they have.
      this.#keepWhy(node, error);
      return undefined;
    }
  }

  #keepWhy(node: string, error: unknown): void {
    const why = error instanceof RefusedError ? error.message : 'an error that the log names';
    if (this.#unbundled.get(node) === why) return;
    this.#unbundled.set(node, why);
    this.parts.log.error('a rule set cannot be bundled', { node, error });
  }

  /** In authored mode hosts choose by themselves, and nobody but an author may suspend them or have them watched. */
  #content(
    { name, labels }: NodeRecord,
    nodeId: string,
  ): Pick<WantedAssignment, 'bundle' | 'suspension' | 'labels' | 'visibility'> {
    const { state, bundles, trust, authored } = this.parts;
    if (!trust.authored)
      return {
        bundle: bundles.of(state.activePolicies(name)),
        suspension: state.suspensionOf(name),
        visibility: visibilityOf(labels),
      };
    const bundle = bundles.ofAuthored({
      policies: authored.heads('policy'),
      groups: authored.heads('group'),
      suspensions: authored.heads('suspension'),
    });
    return { bundle, labels: authored.get('labels', nodeId)?.envelope };
  }
}
