import type { AssignmentVersion } from './report.js';

/**
 * Value of `hw:n:{id}:asg`, JSON. Everything a host needs beside the bundle to verify an assignment:
 * the signed root and commit (DSSE, as JSON objects), the sealed leaf with its Merkle proof, and the host's key
 * sealed to it by HPKE. Byte strings are base64. Only `assignmentVersion` is read before verification, to skip what is old.
 */
export interface DeliveryRecord {
  readonly v: 1;
  readonly assignmentVersion: AssignmentVersion;
  readonly bundleDigest: string;
  readonly root: unknown;
  readonly commit: unknown;
  readonly sealedChannelKey: string;
  readonly leaf: string;
  readonly proof: {
    readonly index: number;
    readonly size: number;
    readonly path: readonly string[];
  };
}

/** Payload of a nudge: enough to know whether to fetch; record and bundle themselves (base64) where they are small. */
export interface Nudge {
  readonly assignmentVersion: AssignmentVersion;
  readonly record?: DeliveryRecord;
  readonly bundle?: string;
}

/**
 * What all hosts hear at once on `hw:check`: a signed head of the audit log, and with it the signed pace at which to report
 * (an agent that knows no pace takes the head alone); which CAs the control plane trusts (their
 * fingerprints), so that who trusts others asks it; the newest redirect (its digest), so that who has not seen it asks;
 * without any, to look for news. It is believed in nothing.
 */
export interface Check {
  readonly auditLog?: unknown;
  readonly pace?: unknown;
  readonly authorities?: readonly string[];
  readonly redirect?: string;
}

/** What the agent hands to the sensor as opaque bytes (UTF-8 JSON): the record and the bundle's ciphertext, base64. */
export interface Envelope {
  readonly v: 1;
  readonly record: DeliveryRecord;
  readonly bundle: string;
}
