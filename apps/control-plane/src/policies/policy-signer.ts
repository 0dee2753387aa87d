import { signPolicy, type PolicyDocument, type SignedDocument, type Signer } from '#bundle';

/** Signs policy versions with the online key (managed mode, D12). */
export class PolicySigner {
  constructor(private readonly signer: Signer) {}

  /** Of the key that signs. */
  get keyid(): string {
    return this.signer.keyid;
  }

  sign(document: PolicyDocument): SignedDocument {
    return signPolicy(document, this.signer);
  }
}
