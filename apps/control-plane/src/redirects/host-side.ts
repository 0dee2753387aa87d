import { Injectable } from '@nestjs/common';
import { signFleetProof } from '#bundle';
import type { FleetProofRequest } from '#contracts';
import { fingerprint } from '#pki';
import { Authorities } from '../certificates/authorities.js';
import { HostHints } from '../certificates/host-hints.js';
import { Clock } from '../http/clock.js';
import { Trust } from '../config/trust.js';
import type { FleetState } from '../store/fleet-state.js';
import { ProblemError } from '../http/index.js';

/** What hosts are told and shown: signed by the online key, and hinted at on the channel that all hear. */
@Injectable()
export class HostSide {
  constructor(
    readonly clock: Clock,
    private readonly trust: Trust,
    private readonly authorities: Authorities,
    private readonly hints: HostHints,
  ) {}

  prove({ nodeId, challenge }: FleetProofRequest, state: FleetState): unknown {
    if (state.nameOf(nodeId) === undefined)
      throw new ProblemError('not-found', {
        detail: 'no host of this fleet has that node id here, or it was revoked',
      });
    if (!this.trust.maySign)
      throw new ProblemError('unavailable', {
        detail: 'the root document in force does not name the online key of this control plane',
      });
    const proof = {
      v: 1,
      nodeId,
      challenge,
      authority: fingerprint(this.authorities.issuing.certificatePem),
      epoch: this.trust.root.document.epoch,
      generation: state.revision.toString(),
      at: this.clock.nowMs(),
    } as const;
    return signFleetProof(proof, this.trust.online);
  }

  /** Never rejects: without Redis hosts ask at their intervals. */
  hint(redirect: string): void {
    void this.hints.publish({ redirect }).catch(() => undefined);
  }
}
