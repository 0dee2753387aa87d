import type { AttestationKind, EnrollRequest } from '#contracts';
import type { NodeRecord } from '../records/node.record.js';

/**
 * Judges whether the machine that enrols is the one that an operator declared, by something it had before and that no
 * token gives. Asked only where the join token demands it.
 */
export abstract class Attestor {
  /** The kind of proof it judges. */
  abstract readonly kind: AttestationKind;

  /** Why the request does not prove it; undefined where it does. The request is signed by its own keys already. */
  abstract refusalOf(request: EnrollRequest, declared: NodeRecord | undefined): string | undefined;
}
