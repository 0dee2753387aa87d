import { signPolicy, type PolicyDocument, type SignedDocument, type Signer } from '#bundle';

/** Signs policy versions with the online key (managed mode, DESIGN D12). */
export class PolicySigner {
  constructor(private readonly signer: Signer) {}

  sign(document: PolicyDocument): SignedDocument {
    return signPolicy(document, this.signer);
  }
}
