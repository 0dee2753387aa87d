import { type DeliveryRecord, type Nudge, redisKeys, type Ring } from '#contracts';
import { MalformedValue } from './errors.js';

const MAX_RING_BYTES = 512;

/** The form that Nest's transport takes for an event; `data` is the nudge. */
export function encodeNudge(channel: string, nudge: Nudge): string {
  return JSON.stringify({ pattern: channel, data: nudge });
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
  if (!isRecord(value) || value.v !== 1 || !isRecord(value.ordering)) return false;
  const { epoch, generation, issuedAt } = value.ordering;
  const texts = [epoch, generation, value.bundleDigest, value.sealedHostKey, value.leaf];
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
