import { type DeliveryRecord, type AssignmentVersion, redisKeys, type Ring } from '#contracts';
import { MalformedValue } from './errors.js';

const MAX_RING_BYTES = 512;

/** What rides in a nudge, at most: each of record and bundle saves the host a round trip. */
const MAX_RIDING_CHARS = 16_384;

/**
 * A nudge in the form that Nest's transport takes for an event, `data` is the nudge: whole, or in two parts between which
 * a record of `recordChars` rides, with its bundle behind it where there is room for both.
 */
export function nudgeParts(
  channel: string,
  assignmentVersion: AssignmentVersion,
  recordChars: number,
  bundle?: Uint8Array,
): readonly [nudge: string] | readonly [start: string, end: string] {
  const whole = JSON.stringify({ pattern: channel, data: { assignmentVersion } });
  if (recordChars > MAX_RIDING_CHARS) return [whole];
  const end = '}}';
  const start = `${whole.slice(0, -end.length)},"record":`;
  const bundleChars = Math.ceil((bundle?.byteLength ?? Infinity) / 3) * 4;
  if (bundle === undefined || recordChars + bundleChars > MAX_RIDING_CHARS) return [start, end];
  const { buffer, byteOffset, byteLength } = bundle;
  const text = Buffer.from(buffer, byteOffset, byteLength).toString('base64');
  return [start, `,"bundle":"${text}"${end}`];
}

export function encodeRing(ring: Ring): string {
  return JSON.stringify(ring);
}

/** Anyone with a host's credentials can ring, so what is rung is checked; undefined for what is no ring. */
export function parseRing(payload: string): Ring | undefined {
  if (payload.length > MAX_RING_BYTES) return undefined;
  const value = parseJson(payload);
  if (!isRecord(value) || typeof value.node !== 'string' || value.node === '') return undefined;
  if (value.what !== 'state' && value.what !== 'events') return undefined;
  return { node: value.node, what: value.what };
}

/** Checks the shape only: whether the record is true is for its verifier to say. */
export function parseDeliveryRecord(nodeId: string, payload: string): DeliveryRecord {
  const value = parseJson(payload);
  if (isDeliveryRecord(value)) return value;
  throw new MalformedValue(redisKeys.assignment(nodeId), 'it is no delivery record of version 1');
}

function isDeliveryRecord(value: unknown): value is DeliveryRecord {
  if (!isRecord(value) || value.v !== 1 || !isRecord(value.assignmentVersion)) return false;
  const { epoch, generation, issuedAt } = value.assignmentVersion;
  const texts = [epoch, generation, value.bundleDigest, value.sealedChannelKey, value.leaf];
  if (!texts.every((text) => typeof text === 'string') || typeof issuedAt !== 'number')
    return false;
  const { proof } = value;
  if (!isRecord(proof) || typeof proof.index !== 'number' || typeof proof.size !== 'number') {
    return false;
  }
  return Array.isArray(proof.path) && proof.path.every((step) => typeof step === 'string');
}

function parseJson(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
