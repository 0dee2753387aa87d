import { createHash } from 'node:crypto';
import { parseDeliveryRecord } from '#bundle';
import type { DeliveryRecord } from '#contracts';
import type { Offer } from './decide.js';

/** A record whose shape was checked; nothing in it is believed. */
export interface OfferedRecord extends Offer {
  readonly record: DeliveryRecord;
}

/** A record as it came from Redis; throws RefusedError (`malformed`, `too-large`) where it has not the shape of one. */
export function offeredRecord(value: unknown): OfferedRecord {
  const record = parseDeliveryRecord(value);
  const fingerprint = createHash('sha256').update(JSON.stringify(record)).digest('hex');
  return { record, ordering: record.ordering, fingerprint };
}
