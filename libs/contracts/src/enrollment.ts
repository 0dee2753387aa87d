/** `POST /v1/enroll`: no bearer token; the join token is the credential. Keys are base64 of raw 32 bytes. */
export interface EnrollRequest {
  readonly token: string;
  /** Name under which the host appears; DNS label rules, at most 253 characters. */
  readonly name: string;
  readonly hostname: string;
  readonly signingKey: string;
  readonly sealingKey: string;
  /** Ed25519 over `hostward-enroll-v1\n` + name + `\n` + sealingKey + `\n` + csr, by signingKey; base64. */
  readonly signature: string;
  /** PEM; its key is a TLS key of the host's own. */
  readonly csr: string;
}

export interface EnrollResponse {
  /** sha256 of the raw signing key, hex. */
  readonly nodeId: string;
  readonly name: string;
  /** PEM chain for mutual TLS. */
  readonly certificate: string;
  readonly ca: string;
  readonly redis: {
    readonly host?: string;
    readonly port: number;
    readonly username: string;
    readonly password: string;
  };
  /** DSSE envelope of the root document: the host's root of trust. */
  readonly root: unknown;
}
