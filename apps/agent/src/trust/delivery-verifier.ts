import {
  decodeEnvelope,
  RefusedError,
  rememberingOpener,
  trustRoot,
  verifyDelivery,
  type MinimumVersions,
  type TrustedRoot,
  type VerifiedDelivery,
} from '#bundle';
import type { AssignmentVersion } from '#contracts';
import { InvalidPolicyError, type RuleSet, signedRuleSet } from '#policy-model';
import { SensorRefusedError } from '#sensor';

/** Who this host is and whom it believes, as enrolment left it. */
export interface Trust {
  readonly nodeId: string;
  /** Base64 of PKCS #8 DER. */
  readonly sealingPrivateKey: string;
  /** DSSE envelope. */
  readonly root: unknown;
}

/** The newest delivery that was taken. */
export interface SeenDelivery {
  readonly assignmentVersion: AssignmentVersion;
  readonly digest: string;
  /** Versions of signed documents that were seen, in authored mode. */
  readonly minimumVersions?: MinimumVersions;
}

/**
 * Checks envelopes where there is no compiler beside the agent: as the compiler does, by the same library. It goes on
 * from the newest root document that was followed.
 */
export class DeliveryVerifier {
  readonly #openChannelKey = rememberingOpener();
  #trustedRoot: TrustedRoot | undefined;

  constructor(private readonly trust: Trust) {}

  /** Throws SensorRefusedError with the reason's code; `nowMs` since 1970. */
  async verify(
    envelope: Uint8Array,
    seen: SeenDelivery | undefined,
    nowMs: number,
  ): Promise<VerifiedDelivery> {
    const { nodeId, sealingPrivateKey } = this.trust;
    try {
      const { record, bundle } = decodeEnvelope(envelope);
      const trustedRoot = (this.#trustedRoot ??= trustRoot(this.trust.root));
      const verified = await verifyDelivery({
        record,
        bundle,
        trustedRoot,
        nodeId,
        sealingPrivateKey,
        highest: seen && { ...seen.assignmentVersion, bundleDigest: seen.digest },
        now: nowMs,
        openChannelKey: this.#openChannelKey,
        minimumVersions: seen?.minimumVersions,
      });
      this.#trustedRoot = verified.root;
      return verified;
    } catch (cause) {
      if (cause instanceof RefusedError) throw new SensorRefusedError(cause.code, cause.message);
      throw cause;
    }
  }
}

/** As the library's, refused as a sensor refuses. @throws SensorRefusedError */
export function ruleSetOf(policies: VerifiedDelivery['policies']): RuleSet {
  try {
    return signedRuleSet(policies);
  } catch (cause) {
    if (cause instanceof InvalidPolicyError)
      throw new SensorRefusedError('policy-invalid', cause.message);
    throw cause;
  }
}
