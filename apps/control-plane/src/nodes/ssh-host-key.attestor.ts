import { Injectable } from '@nestjs/common';
import { attestationMessage } from '#bundle';
import type { EnrollRequest } from '#contracts';
import { Attestor } from './attestor.js';
import type { NodeRecord } from '../records/node.record.js';
import { isSshSignature } from './ssh-signature.js';

/** Signatures made for anything else than an enrolment prove nothing here. */
const NAMESPACE = 'hostward-enroll';

/** By the ssh host key (Ed25519) that an operator declared for the name; the host signs its keys and its name with it. */
@Injectable()
export class SshHostKeyAttestor extends Attestor {
  override readonly kind = 'ssh-host-key';

  override refusalOf(request: EnrollRequest, declared: NodeRecord | undefined): string | undefined {
    const { attestation, name } = request;
    const key = declared?.sshHostKey;
    if (key === undefined)
      return (
        `the join token demands a proof by the ssh host key, and none is declared for ${name}: declare the host with ` +
        'the annotation hostward.io/ssh-host-key (hostward vm add)'
      );
    if (attestation?.kind !== this.kind)
      return 'the join token demands a proof by the ssh host key: enrol as root with --attest ssh-host-key';
    const by = { key, namespace: NAMESPACE };
    return isSshSignature(attestation.proof, attestationMessage(request), by)
      ? undefined
      : `the proof is not the signature of the ssh host key that is declared for ${name}`;
  }
}
