/** What a person or a program may be; what each may do is in docs/how-to/manage-access.md. */
export const ROLES = ['viewer', 'operator', 'author', 'approver', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** A local user; its secret is nowhere. */
export interface UserView {
  readonly name: string;
  readonly roles: readonly Role[];
  /** The hosts it sees and touches, as a label selector; absent: the whole fleet. */
  readonly selector?: string;
  readonly at: string;
  readonly by: string;
}

/** A token for a program. */
export interface ApiTokenView {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly selector?: string;
  readonly expiresAt: string;
  /** To the hour. */
  readonly lastUsedAt?: string;
  readonly at: string;
  readonly by: string;
  /** Only in the answer to the POST that made it. */
  readonly token?: string;
}

/** `GET /v1/whoami`. */
export interface CallerView {
  /** As the audit log names it: `admin`, `user/NAME`, `token/ID`, `oidc/SUBJECT`. */
  readonly actor: string;
  readonly roles: readonly Role[];
  readonly permissions: readonly string[];
  readonly selector?: string;
  readonly expiresAt?: string;
}

/** `GET /v1/login-methods`: how a person may log in here. */
export interface LoginMethods {
  readonly password: true;
  /** A public client of an identity provider: authorization code with PKCE, answered on a loopback port. */
  readonly oidc?: {
    readonly issuer: string;
    readonly clientId: string;
    readonly scopes: readonly string[];
    /** PEM, where the provider has a CA of its own. */
    readonly ca?: string;
  };
}

/** Answer to `POST /v1/login` and `POST /v1/sessions/oidc`: a token of some hours. */
export interface LoginAnswer extends CallerView {
  readonly token: string;
  readonly expiresAt: string;
}
