import { ATTESTATIONS, type AttestationKind } from '#contracts';
import {
  count,
  instant,
  mapOf,
  matching,
  oneOf,
  optional,
  parseJson,
  record,
  text,
  version1,
} from '../http/shape.js';

/** Hashes (sha256, hex) of what a host logs in to Redis with; the previous one ends by itself. */
export interface RedisSecret {
  readonly hash: string;
  readonly previous?: { readonly hash: string; readonly until: string };
}

/** That a host is kept from Redis for a time, since it harmed others there. */
export interface CutOff {
  readonly reason: string;
  readonly at: string;
  readonly until: string;
}

/** One run of an agent, and a report of it: what tells two machines of one identity apart. */
interface SeenRun {
  readonly bootedAt: string;
  readonly sequence: number;
}

/** That two machines use the identity; the reports of the one that was seen first count. */
export interface CloneMark {
  readonly at: string;
  readonly reason: string;
  readonly kept: SeenRun;
  readonly refused: SeenRun;
}

/** The keys of an enrolled host; base64 of 32 raw bytes each. `nodeId` is sha256 of the signing key, hex. */
export interface Enrollment {
  readonly nodeId: string;
  readonly hostname: string;
  /** The name that the host gave, where an operator has renamed it since. */
  readonly enrolledAs?: string;
  readonly signingKey: string;
  readonly sealingKey: string;
  readonly redisSecret: RedisSecret;
  /** The name of the Redis that it is on; absent: the main one. */
  readonly redisShard?: string;
  readonly joinToken: string;
  readonly at: string;
  /** How the machine proved which one it is. */
  readonly attested?: AttestationKind;
}

/** A host as `node/{name}` holds it; without enrollment it is declared only. */
export interface NodeRecord {
  readonly v: 1;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly at: string;
  readonly by: string;
  /** Declared by an operator: `ssh-ed25519` and the key. */
  readonly sshHostKey?: string;
  readonly enrollment?: Enrollment;
  readonly cutOff?: CutOff;
  readonly clone?: CloneMark;
}

const rawKey = matching(/^[A-Za-z0-9+/]{43}=$/, 'must be base64 of 32 bytes');

const hash = matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');

const seenRun = record<SeenRun>({ bootedAt: instant, sequence: count });

const stored = record<NodeRecord>({
  v: version1,
  name: text(253),
  labels: mapOf(text(253), 1_000),
  at: instant,
  by: text(300),
  sshHostKey: optional(text(100)),
  enrollment: optional(
    record<Enrollment>({
      nodeId: hash,
      hostname: text(300),
      enrolledAs: optional(text(253)),
      signingKey: rawKey,
      sealingKey: rawKey,
      redisSecret: record<RedisSecret>({
        hash,
        previous: optional(record<NonNullable<RedisSecret['previous']>>({ hash, until: instant })),
      }),
      redisShard: optional(text(63)),
      joinToken: text(100),
      at: instant,
      attested: optional(oneOf(ATTESTATIONS)),
    }),
  ),
  cutOff: optional(record<CutOff>({ reason: text(1_000), at: instant, until: instant })),
  clone: optional(
    record<CloneMark>({ at: instant, reason: text(1_000), kept: seenRun, refused: seenRun }),
  ),
});

/** Reads a stored node; throws ShapeError. */
export function decodeNode(bytes: Uint8Array): NodeRecord {
  return stored(parseJson(bytes, 'node'), 'node');
}
