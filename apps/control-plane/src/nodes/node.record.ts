import {
  flag,
  instant,
  mapOf,
  matching,
  optional,
  parseJson,
  record,
  text,
  version1,
} from '../shape/shape.js';

/** The keys of an enrolled host; base64 of 32 raw bytes each. `nodeId` is sha256 of the signing key, hex. */
export interface Enrollment {
  readonly nodeId: string;
  readonly hostname: string;
  readonly signingKey: string;
  readonly sealingKey: string;
  readonly joinToken: string;
  readonly at: string;
}

/** A host as `node/{name}` holds it; without enrollment it is declared only. */
export interface NodeRecord {
  readonly v: 1;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly at: string;
  readonly by: string;
  readonly enrollment?: Enrollment;
  /** No assignment is made for it and nothing of it is believed any more. */
  readonly revoked?: boolean;
}

const rawKey = matching(/^[A-Za-z0-9+/]{43}=$/, 'must be base64 of 32 bytes');

const stored = record<NodeRecord>({
  v: version1,
  name: text(253),
  labels: mapOf(text(253), 1_000),
  at: instant,
  by: text(300),
  enrollment: optional(
    record<Enrollment>({
      nodeId: matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
      hostname: text(300),
      signingKey: rawKey,
      sealingKey: rawKey,
      joinToken: text(100),
      at: instant,
    }),
  ),
  revoked: optional(flag),
});

/** Reads a stored node; throws ShapeError. */
export function decodeNode(bytes: Uint8Array): NodeRecord {
  return stored(parseJson(bytes, 'node'), 'node');
}
