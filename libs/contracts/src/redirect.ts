/** What a host hears on `GET /v1/redirects/offered`: the newest redirect for it (DSSE), where one counts. */
export interface RedirectOffer {
  readonly redirect?: unknown;
  /** Root documents (DSSE) up to the one in force, oldest first. */
  readonly roots: readonly unknown[];
}

/** `POST /v1/redirects/proof`: a host that may go there asks whether this is a control plane of its fleet. */
export interface FleetProofRequest {
  readonly nodeId: string;
  /** 32 random bytes of this moment, hex. */
  readonly challenge: string;
}

export interface FleetProofAnswer {
  /** DSSE envelope of a fleet proof. */
  readonly proof: unknown;
  /** Root documents (DSSE) up to the one in force, oldest first. */
  readonly roots: readonly unknown[];
}

/** `redirected` is the last word of a host to the control plane that it leaves, `followed` what it says where it came. */
export const REDIRECT_STATES = ['redirected', 'followed', 'redirect-failed'] as const;

/** What became of the newest redirect on a host. */
export interface RedirectReport {
  readonly state: (typeof REDIRECT_STATES)[number];
  /** ms since 1970; names the redirect. */
  readonly issuedAt: number;
  readonly to: string;
  /** Of a failure: stable, kebab-case, and the reason in words. */
  readonly code?: string;
  readonly message?: string;
  /** ISO 8601. */
  readonly at: string;
}

/** A redirect as REST shows it; `id` is its `issuedAt`. Times in ISO 8601. */
export interface RedirectView {
  readonly id: string;
  /** `void`: the root document in force is another one than it is bound to, or it is not signed by its keys. */
  readonly state: 'planned' | 'in-force' | 'expired' | 'superseded' | 'ends-others' | 'void';
  readonly to?: { readonly url: string; readonly caFingerprint: string };
  readonly target?: { readonly all?: true; readonly nodes?: readonly string[] };
  readonly notBefore?: string;
  readonly expiresAt?: string;
  readonly reason?: string;
  readonly by: string;
  readonly at: string;
  /** Where one is shown: what was signed (DSSE), and what hosts said of it. */
  readonly envelope?: unknown;
  readonly hosts?: RedirectedHosts;
}

/** Hosts that a redirect is for, by what they said last; at most a hundred names of each. */
export interface RedirectedHosts {
  readonly redirected: number;
  readonly waiting: number;
  readonly waitingNames: readonly string[];
  readonly failed: readonly {
    readonly node: string;
    readonly code: string;
    readonly message: string;
  }[];
}
