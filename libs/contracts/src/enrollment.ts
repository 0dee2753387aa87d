/** How a machine can prove which one it is, beyond the keys that it has just made; a join token may demand one. */
export const ATTESTATIONS = ['ssh-host-key'] as const;
export type AttestationKind = (typeof ATTESTATIONS)[number];

/** `ssh-host-key`: an armored SSH signature (`ssh-keygen -Y sign -n hostward-enroll`) over docs/reference/protocol/enrolment.md. */
export interface Attestation {
  readonly kind: AttestationKind;
  readonly proof: string;
}

/** `POST /v1/enroll`: no bearer token; the join token is the credential. Keys are base64 of raw 32 bytes. */
export interface EnrollRequest {
  readonly token: string;
  /** Name under which the host appears; DNS label rules, at most 253 characters. */
  readonly name: string;
  readonly hostname: string;
  readonly signingKey: string;
  readonly sealingKey: string;
  /** SHA-256, hex, of the secret by which the host logs in to Redis; the host makes it, and it never leaves it. */
  readonly redisSecretHash: string;
  /** Ed25519 over these lines, by signingKey, base64: `hostward-enroll-v2`, name, sealingKey, redisSecretHash, csr. */
  readonly signature: string;
  /** PEM; its key is a TLS key of the host's own. */
  readonly csr: string;
  readonly attestation?: Attestation;
}

/** As many further nodes of a Redis a host takes at most. */
export const MOST_OTHER_NODES = 16;

/** Where a host reaches a Redis; without a host, under the name by which it reached the control plane. */
export interface RedisEndpoint {
  readonly host?: string;
  readonly port: number;
  /** Further nodes of it, at most MOST_OTHER_NODES: a host uses the one that says that it is the master. */
  readonly others?: readonly { readonly host: string; readonly port: number }[];
}

export interface EnrollResponse {
  /** sha256 of the raw signing key, hex. */
  readonly nodeId: string;
  readonly name: string;
  /** PEM chain for mutual TLS. */
  readonly certificate: string;
  readonly ca: string;
  readonly redis: RedisEndpoint & {
    readonly username: string;
    /** The Redis that takes events, where that is another one; without a host, under the same name. */
    readonly events?: RedisEndpoint;
  };
  /** DSSE envelope of the root document: the host's root of trust. */
  readonly root: unknown;
}
