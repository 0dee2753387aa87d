import type { DeliveryRecord, Envelope } from '#contracts';
import { decodeUtf8, parseJson } from './canonical.js';
import { fromBase64, toBase64 } from './encoding.js';
import { RefusedError } from './errors.js';
import { limits } from './limits.js';
import { parseAssignmentVersion } from './assignment-version.js';
import {
  type Parser,
  anything,
  base64Of,
  base64UpTo,
  integer,
  list,
  object,
  sha256HexText,
  text,
  version1,
} from './shape.js';

/** A tree of 2^40 leaves has proofs of 40 hashes. */
const MAX_PROOF_HASHES = 40;
const MAX_LEAF_BYTES = limits.assignmentBytes + 64;
const MAX_ENVELOPE_BYTES = limits.recordBytes + Math.ceil(limits.bundleBytes / 3) * 4 + 1024;

const parseRecord: Parser<DeliveryRecord> = object({
  v: version1,
  assignmentVersion: parseAssignmentVersion,
  bundleDigest: sha256HexText,
  root: anything,
  commit: anything,
  sealedChannelKey: base64Of(80),
  leaf: base64UpTo(MAX_LEAF_BYTES),
  proof: object({
    index: integer(0),
    size: integer(1),
    path: list(base64Of(32), MAX_PROOF_HASHES),
  }),
});

const parseEnvelope: Parser<Envelope> = object({
  v: version1,
  record: parseRecord,
  bundle: text(Math.ceil(limits.bundleBytes / 3) * 4),
});

/** Shape of a record out of Redis; nothing in it is believed yet. */
export function parseDeliveryRecord(value: unknown): DeliveryRecord {
  return parseRecord(value, 'record');
}

/** What the agent hands to the sensor as opaque bytes. */
export function encodeEnvelope(record: DeliveryRecord, bundle: Uint8Array): Buffer {
  const envelope: Envelope = { v: 1, record, bundle: toBase64(bundle) };
  return Buffer.from(JSON.stringify(envelope), 'utf8');
}

/** The compiler's reading of those bytes: size, then shape; nothing in it is believed yet. */
export function decodeEnvelope(bytes: Uint8Array): {
  readonly record: DeliveryRecord;
  readonly bundle: Buffer;
} {
  if (bytes.byteLength > MAX_ENVELOPE_BYTES) {
    throw new RefusedError(
      'too-large',
      `envelope: ${bytes.byteLength} bytes, at most ${MAX_ENVELOPE_BYTES}`,
    );
  }
  const { record, bundle } = parseEnvelope(
    parseJson(decodeUtf8(bytes, 'envelope'), 'envelope'),
    'envelope',
  );
  return { record, bundle: fromBase64(bundle, 'envelope.bundle', limits.bundleBytes) };
}
