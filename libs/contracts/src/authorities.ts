/** An authority that programs of ours trust; `until` in ISO 8601. */
export interface AuthorityView {
  /** `issuing` signs; `next` will; `previous` did, and is still trusted. */
  readonly role: 'issuing' | 'next' | 'previous';
  /** SHA-256 of the DER, hex: what hosts pin when they enrol. */
  readonly fingerprint: string;
  readonly until: string;
  /** PEM. */
  readonly certificate: string;
}

/** How far the replacement of the CA is. */
export interface AuthoritiesView {
  readonly phase: 'settled' | 'begun' | 'switched';
  readonly authorities: readonly AuthorityView[];
  /** Whether the certificates of the control plane and of its Redis are of the authority that signs. */
  readonly renewed: boolean;
  /** Hosts that have said that they trust exactly these. */
  readonly hostsCurrent: number;
  /** Hosts that have not yet, since the control plane was started; at most a hundred by name. */
  readonly hostsBehind: number;
  readonly behind: readonly string[];
}

/** Body of `POST /v1/authorities/begin`: the operator's own next authority, PEM; absent: one is made. */
export interface NextAuthority {
  readonly certificate?: string;
  readonly privateKey?: string;
}

/** What a host says on `POST /v1/authorities/trusted`: fingerprints of the authorities that it trusts. */
export interface TrustedByHost {
  readonly trusted: readonly string[];
}

/** The answer: PEM of those that it is to trust from now on, and the fingerprint of the one that signs. */
export interface TrustedByControlPlane {
  readonly authorities: readonly string[];
  readonly issuing: string;
}
