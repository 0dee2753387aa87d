import { hash } from 'node:crypto';
import { parseDeliveryRecord } from '#bundle';
import type { DeliveryRecord } from '#contracts';
import type { Offer } from './decide.js';

/** A record whose shape was checked; nothing in it is believed. */
export interface OfferedRecord extends Offer {
  readonly record: DeliveryRecord;
  /** The bundle that the record names, where it came with it. */
  readonly bundle?: Buffer;
}

/**
 * A record as it came from Redis; throws RefusedError (`malformed`, `too-large`) where it has not the shape of one.
 * `bundle`: what came beside it, base64; left out where it is not the one that the record names.
 */
export function offeredRecord(value: unknown, bundle?: unknown): OfferedRecord {
  const record = parseDeliveryRecord(value);
  const fingerprint = hash('sha256', JSON.stringify(record));
  const came = typeof bundle === 'string' ? Buffer.from(bundle, 'base64') : undefined;
  const isNamed = came !== undefined && hash('sha256', came) === record.bundleDigest;
  return {
    record,
    assignmentVersion: record.assignmentVersion,
    fingerprint,
    ...(isNamed && { bundle: came }),
  };
}
