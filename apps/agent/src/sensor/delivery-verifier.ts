import {
  decodeEnvelope,
  RefusedError,
  rememberingOpener,
  trustRoot,
  verifyDelivery,
  type Floors,
  type TrustedRoot,
  type VerifiedDelivery,
} from '#bundle';
import type { Ordering } from '#contracts';
import { validateDocument, type HostPolicy, type RuleSet } from '#policy-model';
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
  readonly ordering: Ordering;
  readonly digest: string;
  /** Versions of signed documents that were seen, in authored mode. */
  readonly floors?: Floors;
}

/**
 * Checks envelopes where there is no compiler beside the agent: as the compiler does, by the same library. It goes on
 * from the newest root document that was followed.
 */
export class DeliveryVerifier {
  readonly #openHostKey = rememberingOpener();
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
        highest: seen && { ...seen.ordering, bundleDigest: seen.digest },
        now: nowMs,
        openHostKey: this.#openHostKey,
        floors: seen?.floors,
      });
      this.#trustedRoot = verified.root;
      return verified;
    } catch (cause) {
      if (cause instanceof RefusedError) throw new SensorRefusedError(cause.code, cause.message);
      throw cause;
    }
  }
}

/** A signed policy that this version cannot read is refused as a whole: half a rule set is not what was signed. */
export function ruleSetOf(policies: VerifiedDelivery['policies']): RuleSet {
  return {
    policies: policies.map(({ name, revision, document }) => ({
      document: hostPolicyOf(name, document),
      revision,
    })),
  };
}

function hostPolicyOf(name: string, value: unknown): HostPolicy {
  const { document, diagnostics } = validateDocument(value, { mode: 'lenient' });
  if (document?.kind === 'KubeArmorHostPolicy') return document;
  const problem =
    diagnostics.find(({ severity }) => severity === 'error')?.message ?? 'is no host policy';
  throw new SensorRefusedError('policy-invalid', `policy ${name}: ${problem}`);
}
